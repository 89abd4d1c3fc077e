"""A run of the optimiser by Lightning, for what is fitted one network at a time: LitCab's layer."""

import math
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities import move_data_to_device
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.utils.data import DataLoader

from ccps.core.errors import WrongSettingError, expected
from ccps.probes.curve import CurvePoint, check_best, check_finite, log_point
from ccps.probes.optimizer import make_optimizer
from ccps.probes.pairs import in_blocks
from ccps.probes.reporting import Reporting
from ccps.settings.probe import Accelerator, Checkpoint, StageConfig

VAL_LOSS = "val_loss"
VAL_ACCURACY = "val_accuracy"

BatchT = TypeVar("BatchT")


class StageModule(pl.LightningModule, Generic[BatchT]):
    """A network with its loss and optimiser; one Lightning step is a block of mini-batches.

    Lightning spends longer on a step of its own than so small a network on an update. So its step is the run
    of mini-batches between two evaluations; `global_step` still counts updates.
    """

    def __init__(self, trained: nn.Module, config: StageConfig) -> None:
        super().__init__()
        self.trained = trained
        self.config = config
        self.automatic_optimization = False

    def loss(self, batch: BatchT) -> torch.Tensor:
        """Return the loss of a mini-batch."""
        raise NotImplementedError

    def training_step(self, block: Iterator[BatchT], batch_idx: int) -> torch.Tensor:
        """Update once for every mini-batch of the block and return their mean loss."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, pl.core.optimizer.LightningOptimizer)
        losses = []
        for batch in block:
            loss = self.loss(move_data_to_device(batch, self.device))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the stage's optimiser."""
        return make_optimizer(self.config, self.trained.parameters())


class CurveRecorder(pl.Callback):
    """Records every evaluation, passes it to the logger, and copies the weights of the best one.

    Best is the highest validation accuracy, or the lowest validation loss in a stage that has no accuracy; of
    equals the first.
    """

    def __init__(self, stage: str, module: nn.Module, log_prefix: str) -> None:
        self.points: list[CurvePoint] = []
        self.best_weights: dict[str, torch.Tensor] = {}
        self._stage = stage
        self._module = module
        self._log_prefix = log_prefix
        self._best_score = float("-inf")
        self._train_loss: float | None = None

    def on_train_batch_end(  # type: ignore[override]
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: dict[str, torch.Tensor],
        batch: object,
        batch_idx: int,
    ) -> None:
        """Take note of the mean loss of a block, which ends with an evaluation."""
        self._train_loss = float(outputs["loss"])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record an evaluation."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        point = CurvePoint(
            stage=self._stage,
            step=trainer.global_step,
            train_loss=self._train_loss,
            val_loss=metrics[VAL_LOSS],
            val_accuracy=metrics.get(VAL_ACCURACY),
        )
        self.points.append(point)
        if point.score > self._best_score:
            self._best_score = point.score
            # `state_dict` refers to the live parameters: without a copy the best would follow the last.
            self.best_weights = {name: value.clone() for name, value in self._module.state_dict().items()}
        if trainer.logger is not None:
            log_point(trainer.logger, self._log_prefix, point)


def run_stage(
    name: str,
    module: StageModule[BatchT],
    batches: Iterator[BatchT],
    validation: BatchT,
    accelerator: Accelerator,
    reporting: Reporting,
    *,
    callbacks: Sequence[pl.Callback] = (),
    checkpoint: Checkpoint = Checkpoint.best,
) -> list[CurvePoint]:
    """Train one module on mini-batches and return its evaluations.

    Args:
        name: of the stage, for curves and messages.
        module: what is trained, in place.
        batches: mini-batches, as many as the stage has steps.
        validation: what is evaluated, whole.
        accelerator: where.
        reporting: receives the curve.
        callbacks: further ones of Lightning's.
        checkpoint: which weights are kept.

    Raises:
        UserError: the accelerator is not there, training diverges, or the best weights are asked for and no
            evaluation is finite.
    """
    stage, trained = module.config, module.trained
    recorder = CurveRecorder(name, trained, reporting.log_prefix)
    # A loader draws a number each time it starts: from its own generator, lest evaluations change dropout.
    whole: DataLoader[BatchT] = DataLoader(
        [validation],  # type: ignore[arg-type]  # a list is a dataset too
        batch_size=None,
        generator=torch.Generator(),
    )
    trainer = _trainer(stage, accelerator, [recorder, *callbacks], reporting)
    trainer.validate(module, whole, verbose=False)
    if stage.steps:
        trainer.fit(module, in_blocks(batches, stage.steps, stage.eval_every), whole)
    check_finite(name, trained.state_dict().values())
    if checkpoint is Checkpoint.best:
        check_best(recorder.points)
        trained.load_state_dict(recorder.best_weights)
    return recorder.points


def _trainer(
    stage: StageConfig, accelerator: Accelerator, callbacks: list[pl.Callback], reporting: Reporting
) -> pl.Trainer:
    try:
        return pl.Trainer(
            accelerator=accelerator.value,
            devices=1,
            # A probe trains in its own process, also inside a job that a cluster's scheduler has described.
            plugins=[LightningEnvironment()],
            max_steps=stage.steps,
            max_epochs=1,
            limit_train_batches=math.ceil(stage.steps / stage.eval_every),
            val_check_interval=1,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            logger=reporting.logger or False,
            callbacks=callbacks,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
    except MisconfigurationException as error:
        raise expected(
            "`probe.accelerator`",
            "one that this machine has",
            f"{accelerator} ({error})",
            "Set it to `cpu` or `auto`.",
            WrongSettingError,
        ) from error
