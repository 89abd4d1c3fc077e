"""What is written so that it outlives a power cut, checked by its hash, and told of where the disk refuses it."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ccps.core.errors import UserError

Entries = dict[str, dict[str, int | str]]
"""Size and hash of files, by their paths."""

# What only another disk, more room or other rights can mend.
_DISK_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EMFILE,
    errno.ENFILE,
    errno.ESTALE,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
)


def hash_file(path: Path) -> str:
    """Hash the content of a file: blake2b, 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, in the order of their paths."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def entries_of(folder: Path) -> Entries:
    """Size and hash of every file below a folder, by its path from there."""
    return {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "blake2b": hash_file(path)}
        for path in files_below(folder)
    }


def pretty(value: Any) -> str:
    """A JSON-like value as a text that people can read, the same for the same value."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def sync(path: Path) -> None:
    """Wait until the content of a file, or the entries of a folder, would outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Take away a file or folder; whoever wrote it may just have done so."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one clear message; whole shards stay where they are.

    Raises:
        UserError: the disk refuses what is written into the folder.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = _error_number(error)
        if number not in _DISK_ERRORS:
            raise
        raise UserError(
            f"Cannot write to {folder}: {os.strerror(number)}. Free some space or set paths.artifacts to another disk, "
            "and run the same command again: the shards written so far are kept."
        ) from error


def _error_number(error: OSError | SafetensorError) -> int:
    """The system's number of an error, 0 if unknown; safetensors gives it in its text alone."""
    if isinstance(error, OSError):
        return error.errno or 0
    match = re.search(r"\(os error (\d+)\)", str(error))
    return int(match[1]) if match else 0
