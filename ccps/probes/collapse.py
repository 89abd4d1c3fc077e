"""Fits that have collapsed: whatever is asked, they say the same."""

import math

import numpy as np
import numpy.typing as npt

LEAST_SPREAD = 1e-3
"""Standard deviation of P(correct) over the training answers; a fit with less has collapsed."""

ONE_P = "one P for every answer"


def spread(p_correct: npt.ArrayLike) -> float:
    """How far the confidences of a fit vary.

    A decay that outweighs the loss shrinks the weights of an encoder to zero; what is left of the probe is the bias of
    its head, the share of right answers. Its loss, ECE and Brier score look like those of a probe that has learnt.

    Args:
        p_correct: P(correct) of the answers that it was fitted to, `[answers]`; NaN where it has none.

    Returns:
        Their standard deviation; NaN where there is none.
    """
    values = np.asarray(p_correct, dtype=np.float64)
    known = values[np.isfinite(values)]
    return float(known.std()) if len(known) else math.nan


def is_collapsed(found: float) -> bool:
    """Whether a fit of this spread gives one P for every answer; nothing is said where the spread is not known."""
    return found < LEAST_SPREAD
