"""Which artifacts lie below a folder, and what is left over of those that were being deleted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ccps.core.artifacts import Artifact
from ccps.core.keys import INPUTS, REMOVED, is_key


def stored_artifacts(root: Path) -> Iterator[Artifact]:
    """Every artifact below a root folder, complete or not, by stage and key.

    Raises:
        UserError: the inputs of one cannot be read.
    """
    for folder in sorted(root.glob("[!.]*/*")):
        if is_key(folder.name) and folder.is_dir():
            yield read_artifact(folder)


def left_overs(root: Path) -> list[Path]:
    """Folders of artifacts whose removal was broken off."""
    return [path for path in sorted(root.glob(f"[!.]*/.*{REMOVED}")) if is_key(path.stem.removeprefix("."))]


def read_artifact(folder: Path) -> Artifact:
    """The artifact that lies in a folder, with the inputs that were written into it.

    Raises:
        UserError: these cannot be read.
    """
    inputs: Any = {}
    path = folder / INPUTS
    if path.exists():
        try:
            inputs = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise Artifact(folder, folder.parent.name, {}).broken(path.name, f"cannot be read ({error})") from error
    return Artifact(folder, folder.parent.name, inputs if isinstance(inputs, dict) else {})
