"""Pinned wheels as plain files: downloaded by pip, verified by hash, never installed.

The lists beside this file hold one ``name==version --hash=sha256:HEX`` per line.
"""

import errno
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from ccps.core.errors import UserError


class Wheel(NamedTuple):
    """One pinned requirement of a list."""

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def filename(self) -> str:
        """The name under which the verified wheel is kept."""
        return f"{self.name}-{self.version}.whl"


class DownloadError(Exception):
    """pip ended with an error; the message is all it wrote."""


def wheel_list(name: str) -> list[Wheel]:
    """The pinned wheels of the list ``name.txt`` that is shipped with the package."""
    return parse_wheel_list((resources.files("ccps.assets") / f"{name}.txt").read_text(encoding="utf-8"))


def parse_wheel_list(text: str) -> list[Wheel]:
    """Read ``name==version --hash=sha256:HEX`` lines.

    Raises:
        ValueError: a line is not of that form.
    """
    wheels = []
    for line in filter(None, map(str.strip, text.splitlines())):
        match = re.fullmatch(r"([\w.-]+)==([\w.]+)\s+--hash=sha256:([0-9a-f]{64})", line)
        if match is None:
            raise ValueError(f"Expected `name==version --hash=sha256:HEX`, but got {line!r}.")
        wheels.append(Wheel(*match.groups()))
    return wheels


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch_wheel(wheel: Wheel, folder: Path, way_out: str) -> Path:
    """Return the verified wheel in `folder`; one that is there with the right hash is not fetched again.

    Args:
        wheel: which wheel.
        folder: where wheels are kept.
        way_out: a sentence for the message, what to do without the wheel.

    Raises:
        UserError: no index or no network, or the index serves a file with another hash.
        OSError: the disk is full, for pip too, or the folder is not writable.
    """
    target = folder / wheel.filename
    if target.exists() and sha256_of(target) == wheel.sha256:
        return target
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        try:
            download(wheel, Path(scratch))
        except DownloadError as error:
            raise _explain(wheel, str(error), way_out) from error
        found = next(Path(scratch).glob("*.whl"))
        got = sha256_of(found)
        if got != wheel.sha256:
            raise _wrong_hash(wheel, got, way_out)
        found.replace(target)
    return target


def download(wheel: Wheel, folder: Path) -> None:
    """Put one wheel into `folder` with pip, as a plain file and without its dependencies.

    pip keeps its own settings (environment, configuration files): which index it asks is not ours to say.

    Raises:
        DownloadError: pip failed.
    """
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{wheel} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir", "--progress-bar=off"]
    result = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "-r", str(requirement), "-d", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise DownloadError(result.stderr or result.stdout)


def _explain(wheel: Wheel, output: str, way_out: str) -> Exception:
    """What pip's output means for the user."""
    if os.strerror(errno.ENOSPC) in output:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if got := re.search(r"Got\s+([0-9a-f]{64})", output):
        return _wrong_hash(wheel, got[1], way_out)
    lines = [line.strip() for line in output.splitlines() if line.strip() and "[notice]" not in line]
    return UserError(
        f"Expected pip to download {wheel}, but its last line was `{lines[-1] if lines else ''}`. Check the "
        f"network and pip's index settings and run again: what is already there is kept. {way_out}"
    )


def _wrong_hash(wheel: Wheel, got: str, way_out: str) -> UserError:
    return UserError(
        f"Expected the wheel of {wheel} to have sha256 {wheel.sha256}, but got {got}. The download is "
        f"deleted: run again; if the hash stays wrong, the index serves another file. {way_out}"
    )
