"""A run from its first process to its last word: what entry points share."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from ccps.core.console import say
from ccps.core.errors import UserError, expected
from ccps.core.keys import own_name
from ccps.core.objects import ObjectStore, note_copy
from ccps.pipeline.mirror import Mirror
from ccps.pipeline.ranks import end_ranks, most_at_once, start_ranks
from ccps.pipeline.ray_pool import RayPool
from ccps.pipeline.run_log import RunLog
from ccps.pipeline.stage import Run
from ccps.pipeline.worker import WorkerEnds
from ccps.settings.run import LoggerConfig, PathsConfig, TrainerConfig
from ccps.settings.sharing import RayConfig, worker_of


class RunConfig(Protocol):
    """What every entry point's configuration says of how it is run."""

    trainer: TrainerConfig
    worker: str | None
    worker_wait: float
    run_on: str
    ray: RayConfig
    logger: LoggerConfig
    paths: PathsConfig
    experiment: str


def opened_store(paths: PathsConfig) -> ObjectStore | None:
    """The object store that artifacts are kept in, not reached for yet; None for a folder."""
    return ObjectStore(paths.store) if paths.store is not None else None


@contextmanager
def opened_run(config: RunConfig, settings: Mapping[str, Any], name: str) -> Iterator[Run]:
    """Start the processes of a run; end its mirror in W&B, whatever happens.

    A worker has no mirror: who gathers shows in W&B what all have made. Where its part is done the block ends early,
    with a line that says what is left.

    Args:
        config: of the entry point.
        settings: the same as plain values, shown with the run.
        name: of the run in Weights & Biases.

    Raises:
        UserError: see `start_ranks`; the store of artifacts cannot be reached; or, when the mirror is opened,
            `open_logger`.
    """
    ranks = start_ranks(config.trainer)
    if config.trainer.threads is not None:
        if config.trainer.threads > (most := most_at_once()):
            raise expected("`trainer.threads`", f"at most {most} on this machine", config.trainer.threads, "Lower it.")
        torch.set_num_threads(config.trainer.threads)
    worker = worker_of(config.worker)
    objects = opened_store(config.paths)
    if objects is not None:
        ranks.together(objects.check)
        note_copy(config.paths.folder, objects.url)
    own = own_name(f"{worker.number}of{worker.of}") if worker else own_name("run") if objects else ""
    speaks = ranks.is_first and worker is None
    mirror = Mirror(config.logger, Path(config.paths.wandb), name, settings) if speaks else None
    # Actors may work in other folders.
    root = config.paths.folder.absolute() if config.run_on == "ray" else config.paths.folder
    log = RunLog(root, Path(config.paths.output), config.experiment, settings, own)
    patience = 60 * config.worker_wait
    pool = RayPool(config.ray, config.trainer, root, objects) if config.run_on == "ray" else None
    failed = True
    try:
        try:
            waits = config.paths.when_held == "wait"
            yield Run(root, config.trainer.accelerator, mirror, ranks, log, worker, own, patience, pool, waits, objects)
        except WorkerEnds as end:
            say("worker", str(worker), str(end))
        ranks.on_first(log.end)
        failed = False
        end_ranks()
    except UserError:  # which all processes raise together
        end_ranks()
        raise
    finally:
        if pool is not None:
            pool.close()
        if mirror is not None:
            mirror.close(failed=failed)
