"""Fits on several threads at a time, none of which outlives an interrupt for long."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

GoOn = Callable[[], None]
"""To be called by a fit after each of its steps; raises where nobody waits for the fit any more."""


def on_threads(work: Callable[[Item, GoOn], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Do something for each item, so many at a time, each with one of torch's own threads; results in their order.

    If one fails, or the program is told to stop, those that are under way end at their next step, as a pool waits.
    """
    stopped = Event()

    def go_on() -> None:
        if stopped.is_set():
            raise CancelledError

    # The number of torch's own threads is a thread's own affair.
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield from pool.map(lambda item: work(item, go_on), items)
        finally:
            stopped.set()
