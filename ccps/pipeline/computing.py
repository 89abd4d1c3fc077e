"""How the artifact of a stage is filled: what is missing of it is computed, written and summed up."""

import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
import pyarrow as pa
from torch.utils.data import DataLoader

from ccps.core.artifacts import Artifact
from ccps.core.console import say
from ccps.core.errors import expected
from ccps.core.quiet import quiet_lightning
from ccps.core.text import duration
from ccps.pipeline.costs import total_cost
from ccps.pipeline.odd_shards import odd_shards
from ccps.pipeline.progress import StageProgress
from ccps.pipeline.ranks import Ranks
from ccps.pipeline.shard_writer import ShardWriter
from ccps.pipeline.stage import Item, Run, Stage, Work
from ccps.pipeline.trainer import run_device, stage_trainer
from ccps.settings.sharing import Worker


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
    items = [Item(index, work is shards[index][-1], work) for index in run.ranks.own(wanted) for work in shards[index]]
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
    _work_off(stage, artifact, run, [Item(index, work is shard[-1], work) for work in shard], [])


def _work_off(stage: Stage, artifact: Artifact, run: Run, items: list[Item], callbacks: Sequence[pl.Callback]) -> None:
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


def _unchanged(item: Item) -> Item:
    return item


def _sentence(figures: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"
        for name, value in figures.items()
        if isinstance(value, int | float | str)
    )
