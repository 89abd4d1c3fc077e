"""Giving freed memory back to the system."""

import platform
from pathlib import Path

import pytest

from ccps.core.freed import give_back

MIB = 2**20


def held() -> float:
    """MiB of this process's memory."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed")
def test_what_lies_free_between_what_is_used_is_given_back() -> None:
    pieces = [bytearray(2000) for _ in range(50_000)]
    before = held()
    last = pieces[-1]  # above all others, so that glibc gives none of them back by itself
    pieces.clear()
    give_back()
    assert before - held() > 0.8 * 50_000 * 2000 / MIB
    assert len(last) == 2000
