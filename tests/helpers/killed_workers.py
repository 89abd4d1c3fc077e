"""Workers of one run that are started together, round by round, and some of them killed at random moments."""

import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import faults
from toy_jobs import start, wait

from ccps.pipeline.worker import NOTHING_LEFT

# More rounds than there are stages that wait for each other.
_MOST_ROUNDS = 40


class Worker(NamedTuple):
    """A worker that may be started again and again.

    Attributes:
        work: what its process does.
        log: where what it says is written.
    """

    work: Callable[[], object]
    log: Path


def run_until_nothing_is_left(workers: list[Worker], dice: Random, seconds: float, kills: int) -> int:
    """Start all workers at once until each says that nothing is left.

    Args:
        workers: all of one run.
        dice: by which they are killed.
        seconds: of computing that the whole run takes.
        kills: how many may be killed.

    Returns:
        How many were.
    """
    killed = 0
    for _ in range(_MOST_ROUNDS):
        children: dict[int, Path] = {}
        for worker in workers:
            dies = killed + len(children) < kills and (not killed or dice.random() < 0.6)
            moment = dice.random() * seconds / len(workers)  # about what its part takes
            children[start(worker.work, worker.log, _death(moment if dies else None))] = worker.log
        ended = [wait(child, log) for child, log in children.items()]
        for one in ended:
            assert one.code in (0, -signal.SIGPROF), one.said
            killed += one.code != 0
        if all(NOTHING_LEFT in one.said for one in ended):
            return killed
    raise AssertionError("there is always something left")


def _death(seconds: float | None) -> Callable[[], object]:
    return (lambda: None) if seconds is None else (lambda: faults.die_after(seconds))
