"""Giving freed memory back to the system."""

import os
import platform

import pytest

from ccps.core.freed import give_back
from experiments.benchmarks.memory import held


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed")
def test_what_lies_free_between_what_is_used_is_given_back() -> None:
    pieces = [bytearray(2000) for _ in range(50_000)]
    before = held(os.getpid())
    last = pieces[-1]  # above all others, so that glibc gives none of them back by itself
    pieces.clear()
    give_back()
    assert before - held(os.getpid()) > 0.8 * 50_000 * 2000
    assert len(last) == 2000
