"""The Lightning Trainer that passes over a stage's work, and the device that it works on."""

from functools import cache
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException

from ccps.core.errors import expected
from ccps.core.quiet import quiet_lightning
from ccps.pipeline.ranks import Ranks
from ccps.pipeline.stage import Run


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
