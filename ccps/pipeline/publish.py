"""Put a finished report where the user wants it, and nothing else beside it."""

import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError

_LIST = ".files"


def check_writable(folder: Path) -> None:
    """Make sure that the output folder can be written before hours are spent on what goes there.

    Raises:
        UserError: it cannot.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


def copy_report(report: Artifact, folder: Path) -> list[Path]:
    """Copy the files of a complete report, each checked against its hash, and return where they lie now."""
    copies = []
    for name in report.files():
        source = report.path(name)
        with output_errors(folder):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / name)
        copies.append(folder / name)
    return copies


def forget_others(folder: Path, written: Collection[Path]) -> None:
    """Remove what an earlier run has put into the folder and this one has not; leave all other files alone."""
    names = {path.relative_to(folder).as_posix() for path in written}
    with output_errors(folder):
        note = folder / _LIST
        earlier = note.read_text(encoding="utf-8").splitlines() if note.exists() else []
        for name in set(earlier) - names:
            (folder / name).unlink(missing_ok=True)
        note.write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")


def printed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without what does not bear on results: paths, logger, which stages ran."""
    return {key: value for key, value in settings.items() if key not in ("paths", "logger", "stages")}


@contextmanager
def output_errors(folder: Path) -> Iterator[None]:
    """Turn whatever keeps the output folder from being written into one clear message."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"Cannot write to the output folder {folder}: {error}. Free some space or set paths.output to another "
            "folder, and run the same command again: what has been computed is kept."
        ) from error
