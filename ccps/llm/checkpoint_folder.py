"""A folder that holds a model as it should: safetensors, sound indices, nothing that is put on top without a word."""

import json
from pathlib import Path

from ccps.core.errors import expected
from ccps.core.places import local_path
from ccps.core.text import in_short
from ccps.llm.config_sizes import check_sizes
from ccps.settings.model import ModelConfig


def check_there(name: str, config: ModelConfig) -> None:
    """Make sure that something lies where a model on this machine should.

    Raises:
        UserError: there is no such folder or file.
    """
    there = local_path(config.location)
    if config.source == "folder" and not (there / "config.json").is_file():
        raise expected(
            f"`model.{name}.location`",
            "a checkpoint folder with a config.json",
            repr(config.location),
            "Give the folder that `save_pretrained` wrote.",
        )
    if config.source == "gguf" and not there.is_file():
        raise expected(
            f"`model.{name}.location`", "a GGUF file", repr(config.location), "Give the path of a .gguf file."
        )


def checked_folder(folder: Path) -> Path:
    """The folder itself, once it is known to hold a whole model in safetensors format.

    Raises:
        UserError: it does not, or its files name others elsewhere.
    """
    if not any(folder.glob("*.safetensors")):
        raise expected(
            f"`{folder}`",
            "a checkpoint in safetensors format",
            "a folder without *.safetensors files",
            "Save the model again with `save_pretrained(folder)`; pickled weights are not read.",
        )
    if (folder / "adapter_config.json").is_file():
        raise expected(
            f"`{folder}`",
            "a checkpoint without an adapter",
            "one with adapter_config.json, which would be put on top of the model without a word",
            "Merge the adapter (`merge_and_unload`, `save_pretrained`), or move its files elsewhere.",
        )
    for index in folder.glob("*.index.json"):
        _check_index(index)
    _check_generation(folder / "generation_config.json")
    check_sizes(folder / "config.json")
    return folder


def _check_generation(file: Path) -> None:
    """Refuse a damaged file that says what ends a turn: transformers would go on without it."""
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise expected(f"{file}", "JSON", in_short(error), "Save the model again, or remove the file.") from error
    if not isinstance(found, dict):
        got = f"a {type(found).__name__}"
        raise expected(f"{file}", "a JSON object", got, "Save the model again, or remove the file.")


def _check_index(index: Path) -> None:
    """Make sure that an index names safetensors of its own folder alone."""
    try:
        files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise expected(f"{index}", "an index of weights", f"{error!r}", "Save the model again.") from error
    elsewhere = [str(name) for name in files if not str(name).endswith(".safetensors") or Path(str(name)).name != name]
    if elsewhere and index.name.startswith("model.safetensors"):
        raise expected(
            f"{index}",
            "an index of safetensors in its own folder",
            f"{elsewhere[0]!r}",
            "Save the model again with `save_pretrained(folder)`; pickled weights, and files elsewhere, are not read.",
        )
