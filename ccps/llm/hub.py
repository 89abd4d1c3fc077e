"""Checkpoints of the hub: downloaded, or found in its cache."""

import json
from pathlib import Path

from ccps.core.errors import UserError
from ccps.llm.checkpoint_folder import checked_folder
from ccps.settings.model import ModelConfig

_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_HUB_COPIES = ["consolidated*"]  # a second copy of the weights in Mistral's repositories


def from_hub(name: str, config: ModelConfig) -> Path:
    """The folder of a checkpoint of the hub, downloaded if need be.

    Raises:
        UserError: the hub has no such checkpoint, or does not answer.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                config.location, revision=config.revision, allow_patterns=_HUB_FILES, ignore_patterns=_HUB_COPIES
            )
        )
    except Exception as error:  # the hub client raises a dozen unrelated types; all mean "not to be had"
        raise UserError(
            f"Model `{name}`: the hub has no readable `{config.location}`"
            f"{f' at revision {config.revision}' if config.revision else ''} ({type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no details'}). "
            "Check the id and your access to it (some models need a licence to be accepted and HF_TOKEN), or use a "
            f"local copy: model.{name}.source=folder model.{name}.location=PATH."
        ) from error
    return checked_folder(folder)


def stored_of_hub(config: ModelConfig) -> Path | None:
    """The snapshot in the hub's cache, if all files that its index names are there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(config.location, revision=config.revision, local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None
    folder = Path(found)
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return folder if any(folder.glob("*.safetensors")) else None
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return folder if all((folder / str(name)).is_file() for name in named) else None
