"""What this machine has, as far as the system says so without torch."""

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_INFORMATION = Path("/proc/cpuinfo")
_MEMORY = Path("/proc/meminfo")
_LIMIT = Path("/sys/fs/cgroup/memory.max")
# The widest first: flags of Linux, and what torch's kernels have for them.
_SETS = {
    "amx_tile": "AMX",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "sve": "SVE",
    "asimd": "NEON",
}
_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")


class Memory(NamedTuple):
    """Bytes; None where the system does not say.

    Attributes:
        total: of the machine, or of the container if that may use less.
        available: without swapping.
    """

    total: int | None
    available: int | None


def processor() -> str:
    """The make of the processor."""
    return _fields(_INFORMATION).get("model name") or platform.processor() or platform.machine()


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def instruction_set() -> str:
    """The widest vector instructions that there are kernels for; the machine's name where they are not known."""
    fields = _fields(_INFORMATION)
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return next((name for flag, name in _SETS.items() if flag in flags), platform.machine())


def memory() -> Memory:
    """The main memory."""
    fields = _fields(_MEMORY)
    total, available = (_bytes(fields, name) for name in ("MemTotal", "MemAvailable"))
    limit = _LIMIT.read_text(encoding="ascii").strip() if _LIMIT.exists() else "max"
    if total is not None and limit.isdigit() and int(limit) < total:
        total = int(limit)
        available = None if available is None else min(available, total)
    return Memory(total, available)


def gpus() -> list[str]:
    """Name, memory and driver of each GPU that NVIDIA's own tool tells of; none where there is no such tool."""
    try:
        done = subprocess.run(_QUERY, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _fields(path: Path) -> Mapping[str, str]:
    """Lines "name : value" of a file of the system, the first of each name."""
    found: dict[str, str] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, separator, value = line.partition(":")
            if separator:
                found.setdefault(name.strip(), value.strip())
    return found


def _bytes(fields: Mapping[str, str], name: str) -> int | None:
    number = fields.get(name, "").removesuffix("kB").strip()
    return 1024 * int(number) if number.isdigit() else None
