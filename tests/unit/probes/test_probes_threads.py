import signal
import time
from threading import Event, Timer, get_ident

import pytest
import torch

from ccps.probes.threads import GoOn, on_threads


def test_results_come_in_the_order_of_the_items() -> None:
    def work(item: int, go_on: GoOn) -> tuple[int, int]:
        time.sleep(0.01 * (3 - item))
        go_on()
        return item**2, torch.get_num_threads()

    assert list(on_threads(work, range(4), 2)) == [(0, 1), (1, 1), (4, 1), (9, 1)]


def test_one_that_fails_ends_the_others() -> None:
    begun = Event()

    def work(item: int, go_on: GoOn) -> None:
        if item == 0:
            begun.wait(60)
            raise ZeroDivisionError
        begun.set()
        while True:
            go_on()
            time.sleep(0.001)

    with pytest.raises(ZeroDivisionError):
        list(on_threads(work, range(2), 2))


def test_an_interrupt_ends_those_under_way() -> None:
    def work(item: int, go_on: GoOn) -> None:
        while True:  # never ends by itself
            go_on()
            time.sleep(0.001)

    # To the main thread, as the system does it: one that waits for a lock does not hear of a signal to another thread.
    here = get_ident()
    timer = Timer(0.2, lambda: signal.pthread_kill(here, signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            list(on_threads(work, range(8), 2))
    finally:
        signal.signal(signal.SIGINT, before)
