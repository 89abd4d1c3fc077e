"""The files of a benchmark, wherever they lie: in an asset's zip archive, in a folder, or one file."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ccps.assets import catalogue as assets
from ccps.core.errors import UserError, expected
from ccps.core.places import local_path


class Member(NamedTuple):
    """One file of a benchmark, read into memory."""

    path: PurePosixPath
    subject: str | None
    data: bytes


def members(source: str, location: str, member: str) -> Iterator[Member]:
    """Yield the files that `member` names, in order of their paths.

    Args:
        source: "asset", "folder" or "file".
        location: asset name, folder or file.
        member: pattern of paths inside an asset or folder, see `BenchmarkSpec`.

    Raises:
        UserError: nothing there, no file fits, or a file cannot be read.
    """
    if source == "asset":
        path = assets.fetch(location)
        try:
            with zipfile.ZipFile(path) as archive:
                for name, subject in _matching(archive.namelist(), member, path):
                    yield Member(PurePosixPath(name), subject, archive.read(name))
        except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"The archive {path} cannot be read: {error}. Remove it and run again.") from error
        return
    path = local_path(location)
    wanted = "an existing folder" if source == "folder" else "an existing file"
    if not (path.is_dir() if source == "folder" else path.is_file()):
        got = "nothing there" if not path.exists() else "something else"
        raise expected(f"the benchmark's location {path}", wanted, got, "Correct `location` (or `source`).")
    if source == "file":
        yield read_file(path, None)
        return
    names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
    for name, subject in _matching(names, member, path):
        yield read_file(path / name, subject)


def read_file(path: Path, subject: str | None) -> Member:
    """Read a file whole.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return Member(PurePosixPath(path.as_posix()), subject, path.read_bytes())
    except OSError as error:
        raise UserError(f"Expected to read {path}, but got: {error}. Check the file's permissions.") from error


def _matching(names: list[str], member: str, where: Path) -> list[tuple[str, str | None]]:
    pattern = _pattern(member)
    found = [(name, match) for name in sorted(names) if (match := pattern.fullmatch(name))]
    if not found:
        endings = sorted({PurePosixPath(name).name for name in names})
        raise expected(
            f"`member` {member!r}",
            f"a pattern that fits files in {where}",
            f"none of its {len(names)} files, which have names such as {', '.join(endings[:3]) or '(none)'}",
            "Correct `member` (or `location`).",
        )
    return [(name, match.groupdict().get("subject")) for name, match in found]


def _pattern(member: str) -> re.Pattern[str]:
    """Translate ``*``, ``**`` and ``{subject}``; everything else stands for itself."""
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "{subject}": "(?P<subject>[^/]+)"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\{subject\})", member)
    return re.compile("".join(meaning.get(piece) or re.escape(piece) for piece in pieces))
