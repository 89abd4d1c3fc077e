"""What validation showed during training, and the weights it liked best."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import Logger
from torch import nn

from ccps.core.errors import expected
from ccps.probes.modules import VAL_ACCURACY, VAL_LOSS


class CurvePoint(NamedTuple):
    """One evaluation on the validation rows."""

    stage: str
    """`contrastive` or `classifier`."""
    step: int
    """Updates made in this stage so far."""
    train_loss: float | None
    """Mean loss of the batches since the evaluation before; none at step 0."""
    val_loss: float
    """Loss on the validation rows (contrastive stage: on pairs of them that stay the same)."""
    val_accuracy: float | None
    """Share of validation rows whose likelier class is their label; none in the contrastive stage."""

    @property
    def score(self) -> float:
        """What `checkpoint: best` goes by, higher = better: the accuracy, or minus the loss if there is none."""
        return -self.val_loss if self.val_accuracy is None else self.val_accuracy


def log_point(logger: Logger, prefix: str, point: CurvePoint) -> None:
    """Pass an evaluation to a logger, as `<prefix>/<stage>/<metric>`."""
    values = {name: value for name, value in point._asdict().items() if isinstance(value, float)}
    logger.log_metrics({f"{prefix}/{point.stage}/{name}": value for name, value in values.items()}, step=point.step)


def check_best(points: Sequence[CurvePoint]) -> None:
    """Refuse to choose the best of evaluations if none is finite.

    Raises:
        UserError: none is.
    """
    if not any(math.isfinite(point.score) for point in points):
        raise expected(
            f"an evaluation of the {points[0].stage} stage",
            "finite, for `checkpoint: best` to choose by",
            f"none among {len(points)}",
            "Set `checkpoint` to `last`, or look for features out of all proportion.",
        )


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
