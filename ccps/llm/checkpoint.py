"""From what the user named to a local checkpoint folder.

Whatever the source, the loader sees one thing: a folder of safetensors with tokenizer and config. Weights in pickle
formats are never read.
"""

from collections.abc import Callable
from pathlib import Path

from ccps.assets import catalogue as assets
from ccps.core.places import local_path
from ccps.llm.checkpoint_folder import check_there, checked_folder
from ccps.llm.gguf_copy import copy_of_gguf, from_gguf, is_copy
from ccps.llm.hub import from_hub, stored_of_hub
from ccps.settings.model import ModelConfig


def resolve_checkpoint(name: str, config: ModelConfig) -> Path:
    """Return the local folder that holds the model, downloading or converting it if need be.

    Args:
        name: the model's key in the configuration, for messages.
        config: where the model lies; any source but `random`.

    Raises:
        UserError: nothing lies at the location, or it cannot be downloaded.
    """
    resolvers: dict[str, Callable[[str, ModelConfig], Path]] = {
        "hub": from_hub,
        "folder": _from_folder,
        "gguf": _from_gguf_file,
        "asset": lambda name, config: from_gguf(name, assets.fetch(config.location), config.dtype),
    }
    return resolvers[config.source](name, config)


def stored_checkpoint(config: ModelConfig) -> Path | None:
    """The folder that `resolve_checkpoint` would return, if nothing has to be downloaded or converted for it.

    Args:
        config: where the model lies; any source but `random`.
    """
    if config.source == "hub":
        return stored_of_hub(config)
    if config.source == "folder":
        folder = local_path(config.location)
        return folder if (folder / "config.json").is_file() else None
    if config.source == "gguf":
        file = local_path(config.location)
    else:
        asset = assets.find(config.location)
        file = assets.cache_folder() / asset.name / asset.filename
    folder = copy_of_gguf(file, config.dtype) if file.is_file() else file
    return folder if (folder / "config.json").is_file() and is_copy(folder, file) else None


def _from_folder(name: str, config: ModelConfig) -> Path:
    check_there(name, config)
    return checked_folder(local_path(config.location))


def _from_gguf_file(name: str, config: ModelConfig) -> Path:
    check_there(name, config)
    return from_gguf(name, local_path(config.location), config.dtype)
