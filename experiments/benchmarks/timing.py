"""Times that can be compared: several ways of doing one thing, taken in turns in one process."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from rich.progress import track

from ccps.core.console import console

Seconds = dict[str, list[float]]
"""Of each repetition, by what was done."""


class Spread(NamedTuple):
    """A median with the smallest and largest of the values it stands for."""

    median: float
    low: float
    high: float


class Turns(NamedTuple):
    """What taking turns gave, by name.

    Attributes:
        seconds: of each repetition.
        results: of the last repetition.
    """

    seconds: Seconds
    results: dict[str, Any]


def spread(values: Iterable[float]) -> Spread:
    """Sum up repeated measurements."""
    values = list(values)
    return Spread(statistics.median(values), min(values), max(values))


def ratios(numerators: Sequence[float], denominators: Sequence[float], factor: float = 1.0) -> Spread:
    """Compare two ways repetition by repetition, which a drift in the machine's speed leaves alone."""
    return spread(factor * a / b for a, b in zip(numerators, denominators, strict=True))


def now() -> float:
    """Seconds, read when a GPU has done all that it was told to do."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def take_turns(
    ways: Mapping[str, Callable[[], object]],
    repetitions: int,
    label: str,
    clock: Callable[[], float] = now,
    before: Callable[[], object] | None = None,
) -> Turns:
    """Time each way once per repetition; every second repetition goes through them backwards.

    Args:
        ways: what to do, by name. Warm them up before.
        repetitions: how often each is timed.
        label: for the progress bar.
        clock: gives seconds.
        before: done before each way, and not timed.
    """
    turns = Turns({name: [] for name in ways}, {})
    hidden = not console.is_terminal
    for repetition in track(range(repetitions), label, console=console, transient=True, disable=hidden):
        order = list(ways.items())
        for name, way in order if repetition % 2 == 0 else reversed(order):
            if before is not None:
                before()
            started = clock()
            turns.results[name] = way()
            turns.seconds[name].append(clock() - started)
    return turns
