"""The most memory that a piece of work takes, on the CPU or on a GPU."""

import gc
from pathlib import Path

import torch

from ccps.core.freed import give_back

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"


def settle(device: torch.device) -> int | None:
    """Give back what is no longer used and forget the peak so far.

    Returns:
        The bytes that are held now; None where the system does not let its peak be forgotten.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    give_back()
    try:
        (_PROCESS / "clear_refs").write_text(_RESET_PEAK)
    except OSError:
        return None
    return _status("VmRSS")


def peak(device: torch.device) -> int:
    """The most bytes held since `settle`, which has not returned None."""
    return torch.cuda.max_memory_allocated() if device.type == "cuda" else _status("VmHWM")


def held(process: int) -> int:
    """Bytes that another process holds now."""
    return _status("VmRSS", Path("/proc") / str(process))


def _status(name: str, process: Path = _PROCESS) -> int:
    """An entry of a process's status, in bytes."""
    for line in (process / "status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    raise ValueError(f"Expected `{process / 'status'}` to name {name}, but got no such line.")
