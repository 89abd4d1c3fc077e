"""What every stage is: a Lightning module that computes the missing shards of one artifact."""

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import lightning.pytorch as pl
import pyarrow as pa
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from ccps.core.artifacts import Artifact, artifacts_in
from ccps.core.console import say
from ccps.core.errors import expected
from ccps.core.objects import ObjectStore
from ccps.core.quiet import quiet_lightning
from ccps.core.remote import RemoteArtifact
from ccps.core.text import duration
from ccps.pipeline.mirror import Mirror
from ccps.pipeline.odd_shards import odd_shards
from ccps.pipeline.progress import StageProgress
from ccps.pipeline.ranks import Ranks
from ccps.pipeline.run_log import RunLog
from ccps.pipeline.shard_writer import ShardWriter
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


class _Item(NamedTuple):
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

    def predict_step(self, batch: "_Item", batch_idx: int = 0) -> Any:
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


def run_stage(stage: Stage, run: Run) -> Artifact:
    """Compute what is missing of a stage's artifact; say in one line what was reused and what was done.

    Raises:
        UserError: the artifact is broken, held by another process, or the disk is full; or the stage refuses.
    """
    artifact = stage.artifact(run)
    if run.ranks.agreed(artifact.complete) or not _fill(stage, artifact, run):
        say(stage.name, stage.title, _sentence(artifact.figures), state="reused")
    else:
        _say_done(stage, artifact)
    if run.mirror is not None:
        run.mirror.add(stage.title, artifact)
    return artifact


def _fill(stage: Stage, artifact: Artifact, run: Run) -> bool:
    """Compute what is missing; whether anything was, as another process may have made it while this one waited."""
    with ExitStack() as held:
        run.ranks.on_first(lambda: held.enter_context(artifact.writing(waits=run.waits)))
        if run.ranks.agreed(artifact.complete):
            return False
        if stage.independent and run.pool is not None:
            run.pool.fill(stage, run)
        elif stage.independent:
            _compute(stage, artifact, run)
        else:
            run.ranks.on_first(lambda: _compute(stage, artifact, replace(run, ranks=Ranks())))
    return True


def make_part(stage: Stage, run: Run, worker: Worker) -> list[int]:
    """Compute a worker's part of what is missing of a stage's artifact, and complete it where nothing else is missing.

    The shards of a stage that is not `independent` are one worker's, all of them.

    Returns:
        The shards that are still missing, which are in other hands; of a stage that another worker does whole, one.

    Raises:
        UserError: as in `run_stage`; or there are shards of earlier code, which only a run without workers makes anew.
    """
    artifact = stage.artifact(run)
    if not stage.independent and not worker.owns(artifact.key):
        return [0]
    with artifact.writing():
        shards, missing = _missing(stage, artifact, run)
        own = [index for index in missing if not stage.independent or worker.owns(artifact.key, index)]
        _make(stage, artifact, run, shards, own)
        left = artifact.missing(range(len(shards)))
        if left:
            made = f"{len(own)} of {len(shards)} shards made here, {len(left)} in other hands"
            say(stage.name, stage.title, made, state="in part")
            return left
        if odd := odd_shards(artifact, len(shards), own):
            got = f"{len(odd)} with others"
            way_out = "Run the same command once without `worker`: it makes them anew."
            raise expected(f"the shards in {artifact.folder}", "of the columns that this code writes", got, way_out)
        finish(stage, artifact, len(shards), found=not missing)
    _say_done(stage, artifact)
    return []


def _compute(stage: Stage, artifact: Artifact, run: Run) -> None:
    # No process has written anything before all know what is missing.
    shards, missing = run.ranks.together(lambda: _missing(stage, artifact, run))
    _make(stage, artifact, run, shards, missing)
    odd = run.ranks.agreed(odd_shards(artifact, len(shards), missing))  # all shards are written by now
    if odd:
        run.ranks.on_first(lambda: discard_odd(stage, artifact, odd))
        _make(stage, artifact, run, shards, odd)
    run.ranks.on_first(lambda: finish(stage, artifact, len(shards), found=not missing))


def _missing(stage: Stage, artifact: Artifact, run: Run) -> tuple[Sequence[Sequence[Work]], list[int]]:
    """All shards, and the numbers of those that are to be computed."""
    stage.prepare(run_device(run))
    shards = stage.plan()
    return shards, artifact.missing(range(len(shards)))


def _make(stage: Stage, artifact: Artifact, run: Run, shards: Sequence[Sequence[Work]], wanted: Sequence[int]) -> None:
    """Compute this process's share of some shards; all processes go on together."""
    items = [_Item(index, work is shards[index][-1], work) for index in run.ranks.own(wanted) for work in shards[index]]
    progress = StageProgress(stage.name, stage.title, stage.unit)
    missing = set(artifact.missing(range(len(shards))))
    progress.done = sum(work.size for index, shard in enumerate(shards) if index not in missing for work in shard)
    progress.total = progress.done + sum(item.work.size for item in items)
    run.ranks.together(lambda: _work_off(stage, artifact, run, items, [progress]))


def _say_done(stage: Stage, artifact: Artifact) -> None:
    state = f"done in {duration(total_cost(artifact, 'seconds'))}"
    say(stage.name, stage.title, _sentence(artifact.figures), state=state)


def discard_odd(stage: Stage, artifact: Artifact, odd: Sequence[int]) -> None:
    """Take away shards of earlier code, which are to be made anew, with a word."""
    say(stage.name, stage.title, f"{len(odd)} of earlier code have other columns", state="shards made anew")
    artifact.discard(odd)


def finish(stage: Stage, artifact: Artifact, n_shards: int, *, found: bool) -> None:
    """Complete an artifact; where all of its shards were found, they may be of code with other columns."""
    artifact.check_shards(n_shards)
    try:
        summary = stage.summarise(artifact)
    except (KeyError, pa.ArrowException) as error:
        if not found:
            raise
        way_out = (
            f"Remove the folder (rm -r '{artifact.folder}') and run the same command again: only this is computed anew."
        )
        wanted, got = "of the columns that this version of the code reads", f"others ({error})"
        raise expected(f"the shards in {artifact.folder}", wanted, got, way_out) from error
    artifact.finish(n_shards, summary)


def make_shard(stage: Stage, artifact: Artifact, run: Run, index: int, shard: Sequence[Work]) -> None:
    """Compute one shard of a stage that is prepared, and write it."""
    _work_off(stage, artifact, run, [_Item(index, work is shard[-1], work) for work in shard], [])


def _work_off(stage: Stage, artifact: Artifact, run: Run, items: list[_Item], callbacks: Sequence[pl.Callback]) -> None:
    if not items:
        return
    writer = ShardWriter(artifact, stage.save_shard, ahead=stage.independent, rank=run.ranks.rank)
    trainer = stage_trainer(run, [writer, *callbacks])
    loader = DataLoader(items, batch_size=None, collate_fn=_unchanged)  # type: ignore[arg-type, var-annotated]
    with quiet_lightning(), writer.pool:  # whatever happens, a shard that is being written is written
        try:
            trainer.predict(stage, loader, return_predictions=False)
        except BaseException as error:
            if not _comes_of_ctrl_c(error):
                raise
            # Lightning turns Ctrl-C into an exit of its own and lets no second one through.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt from None


def _comes_of_ctrl_c(error: BaseException) -> bool:
    """Whether an error is Ctrl-C, or what failed while the stage was stopping for it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt):
            return True
        seen = seen.__context__
    return False


def stage_trainer(run: Run, callbacks: list[pl.Callback]) -> pl.Trainer:
    """A Lightning Trainer for one pass over a stage's work.

    Raises:
        UserError: this machine has no such accelerator.
    """
    try:
        accelerator = _accelerator(run.accelerator)
        with quiet_lightning():
            return pl.Trainer(
                accelerator=accelerator,
                devices=1 if accelerator == "cpu" else [run.ranks.local_rank],
                logger=(run.mirror and run.mirror.open()) or False,
                callbacks=callbacks,
                plugins=[LightningEnvironment()],
                enable_checkpointing=False,
                enable_model_summary=False,
                enable_progress_bar=False,
                inference_mode=False,
            )
    except MisconfigurationException as error:
        raise expected(
            "`trainer.accelerator`", "one that this machine has", f"{run.accelerator!r}", "Set it to `cpu` or `auto`."
        ) from error


def _accelerator(wanted: str) -> str:
    """A GPU if there is one that computes in float64, which features need and Apple's lacks; else the CPU."""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def run_device(run: Run) -> torch.device:
    """The device that stages work on.

    Raises:
        UserError: this machine has no such accelerator.
    """
    return _root_device(run.accelerator, run.ranks.local_rank)


@cache
def _root_device(accelerator: str, local_rank: int) -> torch.device:
    # Lightning knows which there are, and takes longer to be asked than many a stage.
    run = Run(Path(), accelerator, ranks=Ranks(local_rank=local_rank))
    return stage_trainer(run, []).strategy.root_device


def _unchanged(item: _Item) -> _Item:
    return item


def total_cost(artifact: Artifact, name: str) -> float:
    """Sum one cost over the shards of an artifact."""
    return sum(cost.get(name, 0.0) for cost in artifact.costs())


def _sentence(figures: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"
        for name, value in figures.items()
        if isinstance(value, int | float | str)
    )
