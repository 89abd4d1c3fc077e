"""What validation showed during training, and what is refused at its end."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from ccps.core.errors import UserError, expected
from ccps.settings.probe import Checkpoint

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


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

    def score_by(self, checkpoint: Checkpoint) -> float:
        """What a checkpoint goes by, higher = better."""
        return -self.val_loss if checkpoint is Checkpoint.lowest_loss else self.score


def log_point(logger: "Logger", prefix: str, point: CurvePoint) -> None:
    """Pass an evaluation to a logger, as `<prefix>/<stage>/<metric>`."""
    values = {name: value for name, value in point._asdict().items() if isinstance(value, float)}
    logger.log_metrics({f"{prefix}/{point.stage}/{name}": value for name, value in values.items()}, step=point.step)


def check_best(points: Sequence[CurvePoint], checkpoint: Checkpoint = Checkpoint.best) -> None:
    """Refuse to choose the best of evaluations if none is finite.

    Raises:
        UserError: none is.
    """
    if not any(math.isfinite(point.score_by(checkpoint)) for point in points):
        raise expected(
            f"an evaluation of the {points[0].stage} stage",
            f"finite, for `checkpoint: {checkpoint}` to choose by",
            f"none among {len(points)}",
            "Set `checkpoint` to `last`, or look for features out of all proportion.",
        )


def check_finite(stage: str, weights: Iterable[torch.Tensor]) -> None:
    """Refuse weights that hold ±inf or NaN at the end of a stage.

    Raises:
        UserError: they do.
    """
    if not all(torch.isfinite(value).all() for value in weights):
        raise UserError(
            f"Expected the {stage} stage to end with finite weights, but training diverged. "
            f"Lower `probe.{stage}.learning_rate`, or look for features out of all proportion."
        )
