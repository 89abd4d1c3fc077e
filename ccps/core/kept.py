"""Values that take a while to make, kept in a file to be found by the next run: a convenience, never a record.

A file is of one key, which says what the values were made of, and holds a hash of them. One that is damaged, of
another key or not to be read counts as none; one that cannot be written is let go.
"""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def kept(path: Path, key: str, make: Callable[[], T], *, write: Callable[[T], Any], read: Callable[[Any], T]) -> T:
    """What a file holds of a key; else make it, and keep it there in the place of what was made of another.

    Args:
        path: the file.
        key: a hash of everything that the values are made of.
        make: makes them.
        write: turns them into values that JSON keeps as they are: lists, mappings of texts, texts, numbers, None.
        read: turns these back.
    """
    with suppress(OSError):
        head, _, text = path.read_bytes().partition(b"\n")
        if head == _head(key, text):
            return read(json.loads(text))
    made = make()
    text = json.dumps(write(made), allow_nan=False, separators=(",", ":")).encode()
    _put(path, _head(key, text) + b"\n" + text)
    return made


def _head(key: str, text: bytes) -> bytes:
    return f"{key} {hashlib.blake2b(text, digest_size=16).hexdigest()}".encode()


def _put(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.rename(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
