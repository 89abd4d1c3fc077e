"""What is remembered in files of the cache: to be found out again where they cannot be read or written."""

import contextlib
import json
import os
from pathlib import Path


def read_memory(memory_file: Path) -> dict[str, str]:
    """What was remembered in a file of the cache; nothing where it cannot be read."""
    try:
        memory = json.loads(memory_file.read_text())
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def write_memory(memory_file: Path, memory: dict[str, str]) -> None:
    """Remember in a file of the cache, whole or not at all."""
    partial = memory_file.with_suffix(f".{os.getpid()}.partial")
    with contextlib.suppress(OSError):  # without it something is only found out again next time
        memory_file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(memory, indent=1))
        partial.replace(memory_file)
