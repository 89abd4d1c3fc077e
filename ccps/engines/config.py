"""What the user says about the engine, and whether it can run here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

import torch
from packaging.version import Version

from ccps.core.errors import UserError, expected

ENGINES = ("transformers", "vllm")
OLDEST_VLLM = "0.30"
_WAY_OUT = "Run `pip install 'ccps[vllm]'` or set engine=transformers."


@dataclass
class EngineConfig:
    """What writes open-ended answers, and draws further ones.

    Attributes:
        name: `transformers` is the model itself, whose states are caught while it writes. `vllm` writes faster on a GPU
            with weights of its own; the model then reads what it has written.
        gpu_memory_utilization: of `vllm`: share of the GPU's memory that it takes for weights and cache. The model
            needs room beside it.
        tolerance_max: of `vllm`: by how many nats its log-probability of a token may differ from the model's. bfloat16
            kernels of two libraries round differently: between two attention kernels of one library, 677 tokens of
            SmolLM2-135M differed by up to 0.22.
        tolerance_mean: the same for the mean over tokens (0.03 in that measurement), which other weights or a tempered
            distribution move far more than rounding does.
    """

    name: str = "transformers"
    gpu_memory_utilization: float = 0.45
    tolerance_max: float = 1.0
    tolerance_mean: float = 0.1


def check_engine(config: EngineConfig) -> None:
    """Refuse settings that are out of range and an engine that cannot run here, all faults in one message.

    Raises:
        UserError: naming every fault; vLLM is not installed or too old, or there is no GPU.
    """
    faults = [str(fault) for fault in _faults(config)]
    if faults:
        raise UserError("\n".join(faults))


def engine_inputs(config: EngineConfig) -> Mapping[str, str]:
    """What of the engine determines what is written; nothing for the model itself, which has a key of its own.

    Raises:
        UserError: vLLM is not installed.
    """
    return {"engine": f"vllm {_vllm_version()}"} if config.name == "vllm" else {}


def _faults(config: EngineConfig) -> Iterator[UserError]:
    if config.name not in ENGINES:
        yield expected("`engine.name`", f"one of {', '.join(ENGINES)}", repr(config.name), "Choose engine=NAME.")
    if not 0 < config.gpu_memory_utilization < 1:
        yield expected(
            "`engine.gpu_memory_utilization`",
            "between 0 and 1",
            config.gpu_memory_utilization,
            "Leave the model its part of the memory.",
        )
    for field in ("tolerance_max", "tolerance_mean"):
        if not getattr(config, field) > 0:
            yield expected(f"`engine.{field}`", "above 0", getattr(config, field), "No two libraries round alike.")
    if config.name == "vllm":
        yield from _obstacles()


def _obstacles() -> Iterator[UserError]:
    """Why vLLM cannot run here."""
    try:
        version = _vllm_version()
    except UserError as error:
        yield error
    else:
        if Version(version) < Version(OLDEST_VLLM):
            yield expected("vLLM", f"version {OLDEST_VLLM} or newer", version, _WAY_OUT)
    if not torch.cuda.is_available():
        yield expected(
            "`engine.name`", "one that can run here", "`vllm` on a machine without a GPU", "Set engine=transformers."
        )


def _vllm_version() -> str:
    try:
        return metadata.version("vllm")
    except metadata.PackageNotFoundError:
        raise expected("vLLM", "installed", "nothing", _WAY_OUT) from None
