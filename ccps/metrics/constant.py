"""Confidences that are all the same rank nothing."""

import numpy as np
import numpy.typing as npt

CONSTANT = "constant: one P for every answer"
"""Why a metric of the order is missing."""

_WITHIN = 1e-6
_HARDLY = 0.01


def is_constant(p_correct: npt.ArrayLike) -> bool:
    """Whether confidences `[n]` are one number, up to what rounding may do; none at all are not."""
    values = np.asarray(p_correct, dtype=np.float64)
    return bool(len(values) and np.ptp(values) <= _WITHIN)


def hardly_varies(p_correct: npt.ArrayLike) -> bool:
    """Whether confidences `[n]` lie so near to each other that a diagram of them is a single point.

    Their standard deviation is then below one percentage point. They may rank answers all the same.
    """
    values = np.asarray(p_correct, dtype=np.float64)
    return bool(len(values) and values.std() < _HARDLY)
