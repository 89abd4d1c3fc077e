"""What writes open-ended answers: the model itself, or an engine whose answers the model then reads."""

from ccps.engines.available import check_engine, engine_inputs
from ccps.engines.engine import Continuation, Drawing, Engine
from ccps.engines.parity import Parity, measure_parity, parity_cost, parity_summary
from ccps.engines.vllm_engine import VllmEngine
from ccps.engines.writer import EngineWriter, OwnWriter, Writer
from ccps.settings.engine import EngineConfig

__all__ = [
    "Continuation",
    "Drawing",
    "Engine",
    "EngineConfig",
    "EngineWriter",
    "OwnWriter",
    "Parity",
    "VllmEngine",
    "Writer",
    "check_engine",
    "engine_inputs",
    "measure_parity",
    "parity_cost",
    "parity_summary",
]
