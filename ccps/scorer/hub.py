"""Scorers on the hub."""

from dataclasses import replace
from pathlib import Path

from ccps.core.errors import UserError
from ccps.settings.model import ModelConfig


def upload(folder: Path, repo: str, private: bool | None) -> str:
    """Put the files of a scorer into a repository, made if need be, in one commit.

    Args:
        folder: what `ConfidenceScorer.save` wrote.
        repo: its id.
        private: whether a new one is private; None for what is usual there.

    Returns:
        Where it is.

    Raises:
        UserError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi

    hub = HfApi()
    try:
        found = hub.create_repo(repo, private=private, exist_ok=True)
        hub.upload_folder(
            folder_path=folder, repo_id=found.repo_id, commit_message="A confidence scorer", delete_patterns="*"
        )
    except Exception as error:  # the hub client raises a dozen unrelated types; all mean "not put there"
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"Expected to write the scorer into the hub repository `{repo}`, but got: {reason}. "
            "Check the id, the network, and that HF_TOKEN may write; or `save` it into a folder."
        ) from error
    return str(found)


def without_folder(model: ModelConfig) -> ModelConfig:
    """Where a model lies, as others may know it: of a folder or a file of this machine the name alone."""
    if model.source in ("folder", "gguf"):
        return replace(model, location=Path(model.location).name)
    return model
