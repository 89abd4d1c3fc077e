"""What the user says about the engine that writes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ccps.core.fields import setting
from ccps.core.settings import Fault, fault
from ccps.settings.model import ModelConfig
from ccps.settings.run import TrainerConfig

ENGINES = ("transformers", "vllm")
_WITHOUT_VLLM = "set engine=transformers"


@dataclass
class EngineConfig:
    """What writes open-ended answers, and draws further ones."""

    name: str = setting(
        "transformers",
        "`transformers` is the model itself, whose states are caught while it writes. `vllm` writes faster on"
        " a GPU with weights of its own; the model then reads what it has written",
        one_of=ENGINES,
    )
    gpu_memory_utilization: float = setting(
        0.45,
        "of `vllm`: share of the GPU's memory that it takes for weights and cache. The model needs room beside it",
        above=0,
        below=1,
    )
    tolerance_max: float = setting(
        1.0,
        "of `vllm`: by how many nats its log-probability of a token may differ from the model's. bfloat16 "
        "kernels of two libraries round differently: between two attention kernels of one library, 677 tokens"
        " of SmolLM2-135M differed by up to 0.22",
        above=0,
        at_most=1e6,
    )
    tolerance_mean: float = setting(
        0.1,
        "the same for the mean over tokens (0.03 in that measurement), which other weights or a tempered "
        "distribution move far more than rounding does",
        above=0,
        at_most=1e6,
    )


def vllm_faults(
    models: Mapping[str, ModelConfig], trainer: TrainerConfig, temperatures: Mapping[str, float]
) -> Iterator[Fault]:
    """What does not go together with vLLM: models, numbers of processes, temperatures (by path)."""
    for path, temperature in temperatures.items():
        if not 0.01 <= temperature <= 2:
            yield fault(path, "0.01 to 2 with vLLM", temperature, _WITHOUT_VLLM)
    for name, model in models.items():
        if model.source == "random":
            yield fault(f"model.{name}", "a checkpoint with vLLM", "random weights", _WITHOUT_VLLM)
        if model.quantisation:
            wanted = "null with vLLM, which holds the weights as they are"
            way_out = f"leave it out, or {_WITHOUT_VLLM}"
            yield fault(f"model.{name}.quantisation", wanted, repr(model.quantisation), way_out)
    if trainer.processes > 1:
        yield fault("trainer.devices", "1 with vLLM, in a run of one process", trainer.processes, _WITHOUT_VLLM)
