"""What is hashed, and what artifacts, their parts and those who write them are called."""

import hashlib
import json
import re
import uuid
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
INPUTS = "inputs.json"
LOCK = ".lock"
PARTIAL = ".partial"
"""Ends the names of files and folders that are not finished."""
REMOVED = ".removed"
"""Ends the names of artifacts that are being deleted."""
SHARED = "shared-"
"""Begins the names of those who write without a lock: what is theirs nobody else takes away while they may live."""
SUM = "blake2b"
"""Where a manifest holds the hash of all else that stands in it, and the last line of costs that of all others."""

_KEY = re.compile(r"[0-9a-f]{16}")


def digest(value: Any) -> str:
    """Hash any JSON-like value, independent of the order of keys: 16 hexadecimal digits."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


def is_key(text: str) -> bool:
    """Whether a text can be the key of an artifact."""
    return _KEY.fullmatch(text) is not None


def shard_name(index: int) -> str:
    """Of its folder within an artifact."""
    return f"{index:05d}"


def own_name(who: str) -> str:
    """A name for one of several processes that fill artifacts without a lock; no other has it, on any machine."""
    return f"{SHARED}{who}-{uuid.uuid4().hex[:8]}"


def is_shared(path: Path) -> bool:
    """Whether a file or folder belongs to one of several that write without a lock, and who may be alive."""
    return f".{SHARED}" in path.name
