"""How the shards of a run are shared with processes that it does not start itself, or with a cluster of Ray."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ccps.core.fields import setting
from ccps.core.settings import Fault, fault, shown
from ccps.settings.run import TrainerConfig

MOST_WORKERS = 100_000
RUN_ON = ("here", "ray")
RUN_ON_HELP = "what makes the shards of independent stages: `here` this process, `ray` the actors of a cluster of Ray"
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


@dataclass
class RayConfig:
    """The cluster that makes the shards with `run_on=ray`."""

    address: str | None = setting(
        None, "`auto` or host:port of a cluster that is there; null starts one on this machine", not_empty=True
    )
    gpus_per_worker: float | None = setting(
        None,
        "GPUs of each actor: a part of one for small models, several for a model that `device_map` spreads. null means "
        "1 where the cluster has any and `trainer.accelerator` is not `cpu`, else 0",
        at_least=0,
        at_most=64,
    )
    cpus_per_worker: float = setting(1.0, "CPU cores of each actor", above=0, at_most=4096)
    workers: int | None = setting(
        None,
        "actors that are asked for; those without a place wait for one, so that a cluster may grow. null means as many "
        "as have a place, however that changes",
        at_least=1,
        at_most=MOST_WORKERS,
    )
    tries: int = setting(
        3, "how often a shard is begun whose actors are lost, before the run gives up", at_least=1, at_most=1000
    )

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        gpus = self.gpus_per_worker
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            yield fault("gpus_per_worker", "a whole number above 1, as Ray divides single GPUs only", gpus)


def sharing_faults(worker: str | None, run_on: str, trainer: TrainerConfig, ray: RayConfig) -> Iterator[Fault]:
    """What of these settings does not go together."""
    if run_on == "ray" and ray.gpus_per_worker and trainer.accelerator == "cpu":
        way_out = "leave one out: an actor would hold a GPU that it does not use"
        yield fault("ray.gpus_per_worker", "null or 0 with `trainer.accelerator=cpu`", ray.gpus_per_worker, way_out)
    if worker is not None and worker_of(worker) is None:
        yield fault("worker", f"i/n with i from 1 to n, as 2/8, and n at most {MOST_WORKERS:,}", shown(worker))
    if worker is not None and run_on != "here":
        yield fault("worker", f"null with `run_on={run_on}`", shown(worker), "Ray has workers of its own")
    if trainer.processes > 1 and (worker is not None or run_on != "here"):
        which = "`worker`" if worker is not None else f"`run_on={run_on}`"
        got = f"{trainer.processes} processes"
        way_out = "start a worker for each device" if worker is not None else "Ray places an actor on each device"
        yield fault("trainer.devices", f"1, and `trainer.num_nodes` too, with {which}", got, way_out)
