"""Put a finished report where the user wants it, whole, and nothing of an earlier one beside it."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError

_LIST = ".files"
"""Names what a run has put into an output folder: all else in it is the user's."""
_NOT_OF_RESULTS = ("paths", "logger", "stages", "worker", "worker_wait", "run_on", "ray")


def check_writable(folder: Path) -> None:
    """Make sure that the output folder can be written before hours are spent on what goes there.

    Raises:
        UserError: it cannot.
    """
    with output_errors(folder):
        _finish_swap(_resolved(folder))
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


def copy_report(report: Artifact, folder: Path) -> None:
    """Copy the files of a complete report, each checked against its hash."""
    for name in report.files():
        source = report.path(name)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)


def publish_report(report: Artifact, folder: Path) -> None:
    """Have the files of a complete report take the place of the output folder, see `publishing`."""
    with publishing(folder) as new:
        copy_report(report, new)


@contextmanager
def publishing(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write into; what is written takes the place of the output folder at the end, at once.

    What earlier runs wrote goes, files of others stay. Until the block has ended without an error the output folder is
    as it was; a run that is killed in the midst of the exchange is put right by the next one.

    Raises:
        UserError: the output folder, or the one that holds it, cannot be written.
    """
    target = _resolved(folder)
    with output_errors(folder):
        _finish_swap(target)
        new = _beside(target, "new")
        shutil.rmtree(new, ignore_errors=True)  # a killed run may have left it
        new.mkdir(parents=True)
    try:
        with output_errors(folder):
            yield new
            (new / _LIST).write_text("".join(f"{name}\n" for name in _files(new)), encoding="utf-8")
            _check_room(target, new)
            if not _set_aside(target):
                _fill(target, new)
                return
            new.rename(target)
            _finish_swap(target)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if not target.exists() and (old := _beside(target, "old")).exists():
            old.rename(target)
        raise


def _check_room(target: Path, new: Path) -> None:
    """Refuse to put a folder in the place of a file of the user's, or a file in that of a folder with such."""
    ours = _noted(target)
    for name in _files(target):
        above = next((one for one in reversed(Path(name).parents) if (new / one).is_file()), None)
        if name not in ours and ((new / name).is_dir() or above is not None):
            raise FileExistsError(f"{target / name} is in the way of what goes to {target / (above or name)}")


def _set_aside(target: Path) -> bool:
    """Move the old folder out of the way, if there is one; whether there is room now for the new one."""
    if not target.exists():
        return True
    here = Path.cwd()
    if target == here or target in here.parents:  # whoever works in it would find themselves in the old one
        return False
    try:
        target.rename(_beside(target, "old"))
    except OSError:  # a mount point, or a folder that may be written in another that may not
        return False
    return True


def _fill(target: Path, new: Path) -> None:
    """Put new files into a folder that cannot be exchanged, one by one."""
    note = target / _LIST
    earlier, names = _noted(target), _files(new)
    # Noted before anything is there, and forgotten after all of it is gone: a killed run leaves nothing unknown behind.
    note.write_text("".join(f"{name}\n" for name in sorted(earlier | set(names))), encoding="utf-8")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if name != _LIST:
            shutil.move(new / name, target / name)
    for name in earlier - set(names):
        (target / name).unlink(missing_ok=True)
    shutil.move(new / _LIST, note)
    shutil.rmtree(new)


def _finish_swap(target: Path) -> None:
    """End what `publishing` has begun: bring back the old folder, or take over from it what is the user's."""
    old = _beside(target, "old")
    if not old.exists():
        return
    if not target.exists():
        old.rename(target)
        return
    ours = _noted(old)
    for name in _files(old):
        if name not in ours and name != _LIST and not (target / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (old / name).rename(target / name)
    for path in sorted(path for path in old.rglob("*") if path.is_dir() and not path.is_symlink()):
        if not any(path.iterdir()):  # made by the user, as a run makes no empty folder
            (target / path.relative_to(old)).mkdir(parents=True, exist_ok=True)
    shutil.rmtree(old)


def _noted(folder: Path) -> set[str]:
    """The files that earlier runs have put into an output folder."""
    note = folder / _LIST
    return set(note.read_text(encoding="utf-8").splitlines()) if note.exists() else set()


def _files(folder: Path) -> list[str]:
    """Everything below a folder but folders, by its path within; links count, wherever they lead."""
    return sorted(
        (Path(where) / name).relative_to(folder).as_posix()
        for where, folders, names in os.walk(folder)
        for name in [*names, *(name for name in folders if (Path(where) / name).is_symlink())]
    )


def _beside(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{kind}")


def _resolved(folder: Path) -> Path:
    """Where the folder lies: a link to it stays a link."""
    return Path(os.path.realpath(folder))


def printed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without what does not bear on results: paths, logger, which stages ran, and who shared the work."""
    return {key: value for key, value in settings.items() if key not in _NOT_OF_RESULTS}


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
