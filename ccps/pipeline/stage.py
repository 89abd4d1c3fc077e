"""What every stage is, a Lightning module that fills one artifact shard by shard, and how stages are run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import lightning.pytorch as pl
import torch

from ccps.core.artifacts import Artifact, artifacts_in
from ccps.core.objects import ObjectStore
from ccps.core.remote import RemoteArtifact
from ccps.pipeline.mirror import Mirror
from ccps.pipeline.progress import StageProgress
from ccps.pipeline.ranks import Ranks
from ccps.pipeline.run_log import RunLog
from ccps.settings.sharing import Worker


class Work(NamedTuple):
    """One step of a stage.

    Attributes:
        content: what `step` receives.
        size: how many units (questions, rows) it holds, for the progress bar.
    """

    content: Any
    size: int = 1


def in_shards(batches: Sequence[list[int]], least: int) -> list[list[Work]]:
    """Gather batches of questions, in order, into shards of at least so many questions; the last may have fewer."""
    shards: list[list[Work]] = [[]]
    for batch in batches:
        if sum(work.size for work in shards[-1]) >= least:
            shards.append([])
        shards[-1].append(Work(batch, len(batch)))
    return shards


class Item(NamedTuple):
    """Work as the data loader hands it over: which shard it belongs to, and whether it is that shard's last."""

    shard: int
    closes: bool
    work: Work


class Pool(Protocol):
    """Others that make the shards of a stage in the place of this process."""

    def fill(self, stage: "Stage", run: "Run") -> None:
        """Complete the artifact of an independent stage, which this process holds for writing."""

    def do(self, work: Callable[..., object], *arguments: Any) -> None:
        """Have one of them do something, given the arguments and how stages are run there."""


@dataclass(frozen=True)
class Run:
    """How stages are run.

    Attributes:
        artifacts: root folder of all artifacts.
        accelerator: Lightning accelerator (`auto`, `cpu`, `gpu`).
        mirror: takes what the files hold to W&B, or None.
        ranks: this process among those that share the run.
        log: notes what the run is to make, or None.
        worker: this process among several that share the run without talking to each other, or None.
        own: its name in the artifacts that it fills beside others, see `Artifact.own`.
        patience: seconds without a new shard that a worker waits for others.
        pool: who makes the shards of independent stages; None for this process.
        waits: whether it waits for an artifact that another process is writing, rather than be refused.
        objects: the object store that artifacts are kept in, where `artifacts` holds what is in use; None for none.
    """

    artifacts: Path
    accelerator: str = "auto"
    mirror: Mirror | None = None
    ranks: Ranks = field(default_factory=Ranks)
    log: RunLog | None = None
    worker: Worker | None = None
    own: str = ""
    patience: float = 0.0
    pool: Pool | None = None
    waits: bool = False
    objects: ObjectStore | None = None

    def artifact(self, stage: str, inputs: Mapping[str, Any]) -> Artifact:
        """The artifact of a stage and its inputs, whether it exists or not."""
        if self.objects is not None:
            return RemoteArtifact.within(self.objects, self.artifacts, stage, inputs, self.own)
        return Artifact.at(self.artifacts, stage, inputs, self.own)


class Stage(pl.LightningModule):
    """A step of the pipeline.

    A subclass says what determines its result (`inputs`, and with it what it `reads`), cuts the work into shards
    (`plan`), does one step (`step`), writes the outputs of a shard (`save_shard`), and sums up the whole (`summarise`).
    It raises `version` whenever its code would give another result for the same inputs. Where shards are `independent`
    of one another, and `save_shard` of all but its outputs, several processes share them, and one is written while the
    next is computed. What `gathers` for readers what all others have made is no worker's (`ccps.pipeline.worker`).
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "questions"
    independent: ClassVar[bool] = False
    gathers: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._artifact: Artifact | None = None

    def inputs(self) -> Mapping[str, Any]:
        """Everything that determines the result: JSON-like values, and the artifacts that are read, for their keys."""
        raise NotImplementedError

    def reads(self) -> Sequence[Artifact]:
        """What must be there before this is computed: the artifacts among its inputs, unless it reads more."""
        return list(artifacts_in(self._inputs))

    @cached_property
    def _inputs(self) -> Mapping[str, Any]:
        return self.inputs()

    @property
    def title(self) -> str:
        """A few words that tell this run of the stage from others ("mmlu, qwen2.5")."""
        raise NotImplementedError

    def prepare(self, device: torch.device) -> None:
        """Load what the work needs; called only if something is missing."""

    def plan(self) -> Sequence[Sequence[Work]]:
        """The whole work, by shard; the same inputs give the same plan."""
        raise NotImplementedError

    def step(self, content: Any) -> Any:
        """Do one step of the work."""
        raise NotImplementedError

    def progress_within(self, done: int, total: int) -> None:
        """Show how far a long step is; to be called by it."""
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, StageProgress):
                callback.within(done, total)

    def predict_step(self, batch: Item, batch_idx: int = 0) -> Any:
        """Do one step, as Lightning calls it."""
        return self.step(batch.work.content)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave the work where it is: a step moves what it needs itself."""
        return batch

    def save_shard(self, outputs: list[Any], folder: Path) -> Mapping[str, float]:
        """Write a shard from the outputs of its steps; return what it cost beside time ({"tokens": …})."""
        raise NotImplementedError

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Sum up all shards: counts, and what was rejected and why. Becomes part of the manifest."""
        return {}

    def artifact(self, run: Run) -> Artifact:
        """The artifact this stage fills, whether it exists or not; its inputs are looked at once."""
        found = self._artifact
        if found is None or (found.folder.parents[1], found.own) != (run.artifacts, run.own):
            inputs = {"version": self.version, **self._inputs}
            found = self._artifact = run.artifact(self.name, inputs)
        return found
