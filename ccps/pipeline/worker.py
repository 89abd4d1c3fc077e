"""What one of several workers does of a job: its part of every stage whose inputs are there. The rest is for others.

Workers never talk to each other. Whose a shard is follows from its number (`Worker.owns`), what is done from the folder
of artifacts, and what two have made all the same is the same: so a worker may be killed, started again, or started
twice, on any machine that sees the folder.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ccps.core.artifacts import Artifact
from ccps.core.console import say
from ccps.core.text import duration, listed
from ccps.pipeline.computing import make_part, run_stage
from ccps.pipeline.stage import Run, Stage
from ccps.settings.sharing import Worker

_POLL_S = 2.0
NOTHING_LEFT = "nothing is left for workers: the same command without `worker` gathers"


class WorkerEnds(Exception):  # noqa: N818 (no fault: the process ends with 0)
    """A worker has done what it can do now; says what is left, and to whom."""


class Step(NamedTuple):
    """Something to be done in its turn.

    Attributes:
        work: does it, in a run without workers.
        about: artifacts of which one must be wanted; none for what is always done.
        stage: whose shards are made, if it is a stage's.
        makes: whether the artifact that it is about is made by `work`, which then is one worker's.
    """

    work: Callable[[], object]
    about: Sequence[Artifact]
    stage: Stage | None = None
    makes: bool = False


def share(steps: Sequence[Step], run: Run, worker: Worker) -> None:
    """Do a worker's part of some steps, again and again while what they read keeps coming.

    It ends where nothing more can be done here, after `run.patience` seconds in which nobody has made a shard.

    Raises:
        WorkerEnds: something is in other hands, or nothing is left but to gather.
        UserError: see `make_part`.
    """
    parts = [_Part(step, run, worker) for step in steps]
    before: list[int | None] | None = None
    since: float = 0.0
    told: float | None = None
    while True:
        for part in parts:
            part.go_on()
        missing = [part.missing for part in parts]
        if not any(part.is_open for part in parts):
            break
        now = time.monotonic()
        if missing != before:
            before, since = missing, now
            continue  # what others have made meanwhile may be enough for more
        if now - since >= run.patience:
            raise WorkerEnds(f"{_in_other_hands(parts)}: run the same command again for what is left then")
        if told != since:
            told = since
            say("worker", str(worker), _in_other_hands(parts), state=f"waits, at most {duration(run.patience)}")
        time.sleep(min(_POLL_S, run.patience))
    if any(part.gathers for part in parts):
        raise WorkerEnds(NOTHING_LEFT)


@dataclass
class _Part:
    """A worker's part of a step.

    Attributes:
        missing: shards that are in other hands, as far as is known; 0 where it is done; None where what it reads is not
            there yet.
    """

    step: Step
    run: Run
    worker: Worker
    missing: int | None = None
    _left: Sequence[int] = field(default=(), repr=False)

    @property
    def gathers(self) -> bool:
        """Whether it is left to a run without workers."""
        return self.step.stage is not None and self.step.stage.gathers

    @property
    def is_open(self) -> bool:
        """Whether something of it is to be made yet, by whomever."""
        is_making = self.step.makes or (self.step.stage is not None and not self.gathers)
        return is_making and self.missing != 0

    def go_on(self) -> None:
        """Do what can be done now."""
        stage, about = self.step.stage, self.step.about
        if self.gathers or (about and self.missing == 0):
            return
        if stage is not None:
            self.missing = self._part_of(stage)
        elif self.step.makes:
            self.missing = self._whole(about[0])
        elif all(one.complete for one in about):
            self.step.work()
            self.missing = 0

    def _part_of(self, stage: Stage) -> int | None:
        """Shards of a stage that are missing when this worker has done its own."""
        artifact = stage.artifact(self.run)
        if artifact.complete:
            run_stage(stage, self.run)  # says what was found
            return 0
        if not all(one.complete for one in stage.reads()):
            return None
        self._left = artifact.missing(self._left) if stage.independent else self._left
        # With all shards there, whoever made the last one is completing the artifact, or has died before.
        if not self._left:
            self._left = make_part(stage, self.run, self.worker)
        return len(self._left)

    def _whole(self, artifact: Artifact) -> int:
        """Make what only one worker makes, if it is this one."""
        if not artifact.complete and self.worker.owns(artifact.key):
            self.step.work()
        return 0 if artifact.complete else 1


def _in_other_hands(parts: Sequence[_Part]) -> str:
    counts: Counter[str] = Counter()
    for part in parts:
        if part.is_open and part.missing:
            counts[part.step.about[0].stage] += part.missing
    (name, first), *others = counts.items()
    shards = f"{first} shard{'' if first == 1 else 's'} of `{name}`"
    all_of_them = listed([shards, *(f"{n} of `{one}`" for one, n in others)])
    return f"{all_of_them} {'is' if counts.total() == 1 else 'are'} in other hands"
