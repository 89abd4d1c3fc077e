"""Log loss: how surprising what happened was."""

import numpy as np

from ccps.metrics.conventions import Convention
from ccps.metrics.inputs import FloatArray, ratio
from ccps.metrics.registry import Metric, register

# A sure error would cost infinitely much; scikit-learn's `log_loss` clips so too.
_LEAST = float(np.finfo(np.float64).eps)


def _weighted_log_loss(p: FloatArray, y: FloatArray, weights: FloatArray, convention: Convention) -> FloatArray:
    """Mean of −ln of the probability given to what happened, in nats."""
    clipped = np.clip(p, _LEAST, 1 - _LEAST)
    losses = -np.log(np.where(y == 1, clipped, 1 - clipped))
    return ratio((weights * losses).sum(axis=1), weights.sum(axis=1))


register(
    Metric(
        "log_loss",
        "Log loss",
        lower_is_better=True,
        scale="relative",
        gloss="Mean of −ln of the probability given to what happened, in hundredths of a nat; "
        "0.5 throughout makes 69.3.",
        measure=_weighted_log_loss,
        place=10,
        in_contest=False,
    )
)
