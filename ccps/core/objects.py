"""A place in an object store, by way of fsspec: objects are put whole or not at all, and nothing is renamed."""

import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ccps.core.errors import UserError, expected

T = TypeVar("T")
_AT_ONCE = 16
"""Requests under way at a time: one takes tens of milliseconds, nearly all of them waiting."""
_MOST = 300
"""Characters of what a store says of an error."""
_REACHED = ".reached"
_COPY = ".copy_of"


class _Kind(NamedTuple):
    """A kind of store.

    Attributes:
        module: that fsspec needs for it beside itself; empty for none.
        install: what to give to `pip install` for it.
    """

    module: str = ""
    install: str = ""


# Only what puts an object whole, or is made to (`ObjectStore.put`): who finds one may rely on it.
_KINDS = {
    "s3": _Kind("s3fs", "'ccps[cloud]'"),
    "gs": _Kind("gcsfs", "gcsfs"),
    "az": _Kind("adlfs", "adlfs"),
    "file": _Kind(),
    "memory": _Kind(),
}


def is_url(place: str) -> bool:
    """Whether a place is named by a URL, and is no folder."""
    return "://" in place


def url_problem(url: str) -> tuple[str, str] | None:
    """What keeps a URL from being that of a store, and the way out; None if nothing is seen that does."""
    protocol, _, path = url.partition("://")
    if protocol not in _KINDS:
        return f"a URL of `{protocol}`", f"stores are {', '.join(f'{name}://' for name in _KINDS)}"
    if not path.strip("/"):
        return f"`{url}`", f"name a place in it, as {protocol}://bucket/prefix"
    if any(sign in path for sign in "*?[]#"):
        return f"`{url}`", "leave out the signs * ? [ ] #"
    kind = _KINDS[protocol]
    if kind.module and find_spec(kind.module) is None:
        return f"a URL of `{protocol}`, for which {kind.module} is not installed", f"run `pip install {kind.install}`"
    return None


def note_copy(folder: Path, url: str) -> None:
    """Note in a folder that it holds no more than what is in use of a store.

    Raises:
        UserError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _COPY).write_text(f"{url}\n", encoding="utf-8")
    except OSError as error:
        way_out = "Set paths.cache to a folder that you own."
        raise expected(f"`{folder}`", "a folder that can be written", error.strerror, way_out) from error


def copy_of(folder: Path) -> str | None:
    """The store of which a folder holds what is in use; None if it is no such folder."""
    note = folder / _COPY
    return note.read_text(encoding="utf-8").strip() if note.is_file() else None


class ObjectStore:
    """Objects below a URL, by names with `/` in them. It can be sent to other processes.

    Every method raises `UserError` where the store cannot be reached, or refuses.

    Args:
        url: which `url_problem` finds no fault with.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def __reduce__(self) -> tuple[Any, ...]:
        return ObjectStore, (self.url,)

    def check(self) -> None:
        """Make sure that it can be written."""
        self.write(_REACHED, b"")

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """The content of small objects, of those that are there."""
        with tempfile.TemporaryDirectory() as folder:
            files = {name: Path(folder, str(number)) for number, name in enumerate(names)}
            absent = set(self.get(files.items()))  # in one request each, where `cat` of fsspec takes two
            return {name: path.read_bytes() for name, path in files.items() if name not in absent}

    def get(self, wanted: Iterable[tuple[str, Path]]) -> list[str]:
        """Copy objects to files of this machine; the names of those that are not there."""

        def get(one: tuple[str, Path]) -> str:
            try:
                self._fs.get_file(self._at(one[0]), str(one[1]))
            except FileNotFoundError:
                return one[0]
            return ""

        return [name for name in self._each(get, wanted) if name]

    def put(self, path: Path, name: str) -> None:
        """Have an object hold what a file holds."""
        with self._errors():
            if self._is_local:
                # A disk is no object store: what is there may be read while it is written.
                partial = f"{name}.{uuid.uuid4().hex[:8]}.partial"
                self._fs.put_file(str(path), self._at(partial))
                self._fs.mv(self._at(partial), self._at(name))
            else:
                self._fs.put_file(str(path), self._at(name))

    def write(self, name: str, content: bytes) -> None:
        """Have an object hold some bytes."""
        with self._errors():
            if self._is_local:
                partial = f"{name}.{uuid.uuid4().hex[:8]}.partial"
                self._fs.pipe_file(self._at(partial), content)
                self._fs.mv(self._at(partial), self._at(name))
            else:
                self._fs.pipe_file(self._at(name), content)

    def names(self, folder: str) -> set[str]:
        """Names of what lies directly below a name, each without it."""
        with self._errors():
            try:
                found = self._fs.ls(self._at(folder), detail=False)
            except FileNotFoundError:
                return set()
        return {path.rstrip("/").rpartition("/")[2] for path in found}

    def remove(self, names: Iterable[str]) -> None:
        """Take away objects, in this order; those that are gone count as taken."""
        with self._errors():
            for name in names:
                try:
                    self._fs.rm_file(self._at(name))
                except FileNotFoundError:
                    continue

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        import fsspec

        # Of what others have put since, a kept listing would know nothing.
        options: dict[str, Any] = {"auto_mkdir": True} if self.url.startswith("file:") else {}
        fs, path = fsspec.url_to_fs(self.url, use_listings_cache=False, **options)
        return fs, path.rstrip("/")

    @property
    def _fs(self) -> Any:
        return self._opened[0]

    def _at(self, name: str) -> str:
        return f"{self._opened[1]}/{name}"

    @property
    def _is_local(self) -> bool:
        return self.url.startswith("file:")

    def _each(self, work: Callable[[Any], T], items: Iterable[Any]) -> list[T]:
        """Do something with each, several at a time."""
        listed: Sequence[Any] = list(items)
        with self._errors():
            if len(listed) < 2:
                return [work(one) for one in listed]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                return list(pool.map(work, listed))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn whatever a store's own package raises into one clear message: each has errors of its own."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            said = " ".join(str(error).split()) or type(error).__name__
            way_out = (
                "Look at the name of the bucket, your credentials and their rights, the network, and the room on this "
                "disk, and run the same command again: what has been made is kept."
            )
            got = f"{type(error).__name__} ({said[:_MOST]})"
            raise expected(f"`{self.url}`", "an object store that can be reached and written", got, way_out) from error
