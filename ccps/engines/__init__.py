"""What writes open-ended answers: the model itself, or an engine whose answers the model then reads."""

from ccps.engines.available import check_engine, engine_inputs
from ccps.engines.deviation import Deviation, deviation_cost, deviation_summary, measure_deviation
from ccps.engines.engine import Continuation, Drawing, Engine
from ccps.engines.vllm_engine import VllmEngine
from ccps.engines.writer import EngineWriter, OwnWriter, Writer
from ccps.settings.engine import EngineConfig

__all__ = [
    "Continuation",
    "Deviation",
    "Drawing",
    "Engine",
    "EngineConfig",
    "EngineWriter",
    "OwnWriter",
    "VllmEngine",
    "Writer",
    "check_engine",
    "deviation_cost",
    "deviation_summary",
    "engine_inputs",
    "measure_deviation",
]
