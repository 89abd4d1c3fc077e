"""One number for a base rate of one's own: what a few labels of the target say of how far confidences are off.

A confidence that has learnt its training answers has learnt their share of right ones too. Where the share is another,
Bayes' rule moves all log-odds by one number, log-odds of the new share less those of the old, as long as right and
wrong answers each look as before (Elkan 2001, "The foundations of cost-sensitive learning", theorem 2). It is that
number which is estimated here, by maximum a posteriori.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

PRIOR_VARIANCE = 4.0
"""Of the number to be found, which is Gaussian around 0 before any label is seen.

The curvature of the log-posterior is Σ p(1 − p) of the labelled answers plus 1/4, which is the most that one label can
add: the prior never weighs more than one label. It spans what shifts there are, too: two standard deviations carry a
share of right answers of one half to 2 % or to 98 %."""

LARGEST_STEP = 1.0
PRECISION = 1e-12
_MOST_STEPS = 1000

FloatArray = NDArray[np.float64]


def fit_intercepts(
    log_odds: FloatArray, correct: FloatArray, counts: FloatArray | float = 1.0, variance: float = PRIOR_VARIANCE
) -> FloatArray:
    """The number that is to be added to the log-odds, of many small sets of labelled answers at once.

    It maximises Σ log P(label | sigmoid(x + b)) − b²/2v, where its derivative Σ (y − sigmoid(x + b)) = b/v: the sum of
    what was right comes to that of P(correct), but for the prior. There is one such b for any labels, one kind only and
    a single one included, and |b| ≤ v · labels.

    Newton's method with steps of at most 1. Over such a step sigmoid'(x) changes by a factor below e. So where the
    maximum is further away than 1, a step does not pass it and is at least 1 − 1/e long; nearer by, each leaves at most
    0.72 of the distance. From 0 it arrives wherever the maximum is.

    Args:
        log_odds: of P(correct), `[..., labels]`, finite.
        correct: whether each answer is correct, 0 or 1, of the same shape.
        counts: how often each label counts; of that shape, or one number for all.
        variance: of the prior.

    Returns:
        `[...]`; 0 where there is no label.
    """
    shift = np.zeros(log_odds.shape[:-1])
    for _ in range(_MOST_STEPS):
        p = expit(log_odds + shift[..., None])
        slope = (counts * (correct - p)).sum(axis=-1) - shift / variance
        curvature = (counts * p * (1 - p)).sum(axis=-1) + 1 / variance
        step = np.clip(slope / curvature, -LARGEST_STEP, LARGEST_STEP)
        shift = shift + step
        if np.abs(step).max(initial=0.0) <= PRECISION:
            break
    return shift
