"""A model over several GPUs, CPU memory and disk, by accelerate; or on one device."""

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ccps.core.errors import UserError, expected
from ccps.settings.model import ModelConfig

WAYS = ("auto", "balanced", "sequential")


def device_faults(name: str, config: ModelConfig) -> Iterator[UserError]:
    """Say what is wrong with where a model is to be put, before anything is loaded."""
    setting, given = f"`model.{name}.device_map`", config.device_map
    if given is None:
        for other in ("max_memory", "offload_folder"):
            if value := getattr(config, other):
                way_out = f"Set model.{name}.device_map=auto as well."
                yield expected(f"`model.{name}.{other}`", "empty without `device_map`", value, way_out)
        return
    if config.source == "random":
        yield expected(setting, "null for random weights", repr(given), "Spread a model that has files.")
    if isinstance(given, dict) and given:
        for module, device in given.items():
            if not _is_here(device):
                yield expected(
                    f"{setting} of {module or 'the model'}",
                    f"a GPU of this machine (it has {torch.cuda.device_count()}), cpu or disk",
                    repr(device),
                    "Change it, or set device_map=auto.",
                )
    elif given not in WAYS:
        wanted = f"one of {', '.join(WAYS)}, or a mapping of module names to devices"
        yield expected(setting, wanted, repr(given), "Set it to one of these.")
    yield from _size_faults(name, config)


def _size_faults(name: str, config: ModelConfig) -> Iterator[UserError]:
    from accelerate.utils import convert_file_size_to_int

    for place, size in config.max_memory.items():
        setting = f"`model.{name}.max_memory.{place}`"
        if str(place) == "disk" or not _is_here(_numbered(place)):
            wanted = f"for a GPU of this machine (0 to {torch.cuda.device_count() - 1}) or cpu"
            yield expected(setting, wanted, repr(place), "Leave it out.")
        try:
            convert_file_size_to_int(size)
        except ValueError:
            yield expected(setting, "a size", repr(size), "Write it as in 40GiB or 800MB.")


def _is_here(device: Any) -> bool:
    """Whether this machine has a device."""
    if device in ("cpu", "disk"):
        return True
    number = re.fullmatch(r"(?:cuda:)?(\d+)", str(device))
    return number is not None and int(number[1]) < torch.cuda.device_count()


def _numbered(place: Any) -> Any:
    """A GPU by its number, also where JSON has made a text of it."""
    return int(place) if str(place).isdigit() else place


def placement(config: ModelConfig, device: torch.device | str) -> dict[str, Any]:
    """What `from_pretrained` is told about where weights go, straight from the files.

    Args:
        config: settings without faults.
        device: where a model goes whole.
    """
    if config.device_map is None:
        return {"device_map": {"": str(device)}}
    options = {"device_map": config.device_map, "offload_folder": config.offload_folder}
    if config.max_memory:
        options["max_memory"] = {_numbered(place): size for place, size in config.max_memory.items()}
    return options


def input_device(model: Any) -> torch.device:
    """Where a model wants its inputs: with its embeddings, or where these are computed if they are offloaded."""
    embeddings: nn.Module = model.get_input_embeddings()
    hook = getattr(embeddings, "_hf_hook", None)
    return torch.device(embeddings.weight.device if hook is None else hook.execution_device)  # type: ignore[arg-type]


def places(model: Any) -> set[str]:
    """The devices that hold a model's weights, "disk" for files."""
    spread = getattr(model, "hf_device_map", {"": input_device(model)})
    return {str(device) for device in spread.values()}
