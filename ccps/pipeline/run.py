"""A run from its first process to its last word: what entry points share."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from ccps.core.errors import UserError, expected
from ccps.pipeline.mirror import Mirror
from ccps.pipeline.ranks import end_ranks, most_at_once, start_ranks
from ccps.pipeline.run_log import RunLog
from ccps.pipeline.stage import Run
from ccps.settings.run import LoggerConfig, PathsConfig, TrainerConfig


class RunConfig(Protocol):
    """What every entry point's configuration says of how it is run."""

    trainer: TrainerConfig
    logger: LoggerConfig
    paths: PathsConfig
    experiment: str


@contextmanager
def opened_run(config: RunConfig, settings: Mapping[str, Any], name: str) -> Iterator[Run]:
    """Start the processes of a run; end its mirror in W&B, whatever happens.

    Args:
        config: of the entry point.
        settings: the same as plain values, shown with the run.
        name: of the run in Weights & Biases.

    Raises:
        UserError: see `start_ranks`; or, when the mirror is opened, `open_logger`.
    """
    ranks = start_ranks(config.trainer)
    if config.trainer.threads is not None:
        if config.trainer.threads > (most := most_at_once()):
            raise expected("`trainer.threads`", f"at most {most} on this machine", config.trainer.threads, "Lower it.")
        torch.set_num_threads(config.trainer.threads)
    mirror = Mirror(config.logger, Path(config.paths.wandb), name, settings) if ranks.is_first else None
    root = Path(config.paths.artifacts)
    log = RunLog(root, Path(config.paths.output), config.experiment, settings)
    failed = True
    try:
        yield Run(root, config.trainer.accelerator, mirror, ranks, log)
        ranks.on_first(log.end)
        failed = False
        end_ranks()
    except UserError:  # which all processes raise together
        end_ranks()
        raise
    finally:
        if mirror is not None:
            mirror.close(failed=failed)
