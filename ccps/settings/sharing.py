"""How the shards of a run are shared with processes that it does not start itself."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from ccps.core.settings import Fault, fault, shown
from ccps.settings.run import TrainerConfig

MOST_WORKERS = 100_000
WORKER_HELP = (
    "`i/n`: this process is the i-th of n (from 1) that share the work of a run and know nothing of each other; it "
    "makes its part of what is missing, and a last process without this gathers. null: this process does everything"
)
WAIT_HELP = (
    "minutes without a new shard that a worker waits for what other workers have in hand, before it ends and leaves "
    "the rest to the next start"
)


class Worker(NamedTuple):
    """One of several processes that share a run without talking to each other.

    Attributes:
        number: which, from 1.
        of: how many there are.
    """

    number: int
    of: int

    def owns(self, key: str, unit: int = 0) -> bool:
        """Whether a shard is this worker's, whatever is there already: so no two ever take the same.

        Args:
            key: of the artifact, hexadecimal. Shards of one number belong to different workers in different artifacts,
                so that artifacts which have a single one are spread too.
            unit: number of the shard; 0 for an artifact that one worker makes whole.
        """
        return (int(key, 16) + unit) % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def worker_of(text: str | None) -> Worker | None:
    """The worker that a setting names; None where it names none, or what is none."""
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text or "")
    worker = Worker(int(found[1]), int(found[2])) if found else None
    return worker if worker is not None and 1 <= worker.number <= worker.of <= MOST_WORKERS else None


def sharing_faults(worker: str | None, trainer: TrainerConfig) -> Iterator[Fault]:
    """What of these settings does not go together."""
    if worker is None:
        return
    if worker_of(worker) is None:
        yield fault("worker", f"i/n with i from 1 to n, as 2/8, and n at most {MOST_WORKERS:,}", shown(worker))
    if trainer.processes > 1:
        got = f"{trainer.processes} processes"
        way_out = "start a worker for each device"
        yield fault("trainer.devices", "1, and `trainer.num_nodes` too, with `worker`", got, way_out)
