"""Whether an engine can run here."""

from collections.abc import Iterator, Mapping
from importlib import metadata

import torch
from packaging.version import Version

from ccps.core.errors import UserError, expected
from ccps.settings.engine import EngineConfig

OLDEST_VLLM = "0.30"
_WAY_OUT = "Run `pip install 'ccps[vllm]'` or set engine=transformers."


def check_engine(config: EngineConfig) -> None:
    """Refuse an engine that cannot run here, all obstacles in one message.

    Raises:
        UserError: vLLM is not installed or too old, or there is no GPU.
    """
    obstacles = [str(obstacle) for obstacle in _obstacles(config)]
    if obstacles:
        raise UserError("\n".join(obstacles))


def engine_inputs(config: EngineConfig) -> Mapping[str, str]:
    """What of the engine determines what is written; nothing for the model itself, which has a key of its own.

    Raises:
        UserError: vLLM is not installed.
    """
    return {"engine": f"vllm {_vllm_version()}"} if config.name == "vllm" else {}


def _obstacles(config: EngineConfig) -> Iterator[UserError]:
    """Why an engine cannot run here."""
    if config.name != "vllm":
        return
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
