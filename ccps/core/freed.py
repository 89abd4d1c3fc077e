"""Giving freed memory back to the system."""

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Let the system have what the C library has kept of freed memory.

    glibc keeps it, in pieces between others that are in use, and holds more the longer sizes vary; only it does, and
    only it can be asked. Elsewhere nothing happens.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
