"""Discrimination: whether correct answers get higher confidences than wrong ones."""

import numpy as np

from ccps.metrics.inputs import FloatArray, ratio
from ccps.metrics.registry import Metric, register


def weighted_auroc(p: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Area under the ROC curve: P(a correct row scores above a wrong one), ties counting half.

    Args:
        p: P(correct), `[n]`, ascending.
        y: labels, `[n]`.
        weights: how often each row counts, whole numbers, `[resamples, n]`.

    Returns:
        `[resamples]`; NaN where one class is absent.
    """
    right, wrong = counts_per_value(p, y, weights)
    wrong_below = np.cumsum(wrong, axis=1) - wrong
    wins = (right * (wrong_below + wrong / 2)).sum(axis=1)
    return ratio(wins, right.sum(axis=1) * wrong.sum(axis=1))


def weighted_average_precision(p: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Average precision: the mean over correct rows of the precision at the row's own threshold.

    This is scikit-learn's `average_precision_score` with "correct" as the positive class: no interpolation.
    It is 1 where every row is correct, and NaN where none is (scikit-learn then says 0, with a warning).

    Args:
        p: P(correct), `[n]`, ascending.
        y: labels, `[n]`.
        weights: how often each row counts, whole numbers, `[resamples, n]`.

    Returns:
        `[resamples]`.
    """
    right, wrong = counts_per_value(p, y, weights)
    right_above = np.cumsum(right[:, ::-1], axis=1)[:, ::-1]
    wrong_above = np.cumsum(wrong[:, ::-1], axis=1)[:, ::-1]
    # A value that no weight falls on may have nothing at or above it; it adds no correct row either.
    precision = np.nan_to_num(ratio(right_above, right_above + wrong_above))
    return ratio((right * precision).sum(axis=1), right.sum(axis=1))


def counts_per_value(p: FloatArray, y: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Correct and wrong rows at each distinct value of ascending `p`, each `[resamples, values]`."""
    starts = np.flatnonzero(np.diff(p, prepend=-1.0))
    right, wrong = weights * y, weights * (1 - y)
    if len(starts) == len(p):  # nothing is tied, and a sum over single rows takes as long as one over many
        return right, wrong
    return np.add.reduceat(right, starts, axis=1), np.add.reduceat(wrong, starts, axis=1)


register(
    Metric(
        "aucpr",
        "AUCPR",
        lower_is_better=False,
        scale="points",
        gloss="Average precision with right answers as the positive class; by chance it is their share.",
        measure=lambda p, y, weights, _: weighted_average_precision(p, y, weights),
        place=3,
        ranks=True,
        by_convention=False,
    )
)
register(
    Metric(
        "auroc",
        "AUROC",
        lower_is_better=False,
        scale="points",
        gloss="Probability that a right answer is ranked above a wrong one; 50 % is chance.",
        measure=lambda p, y, weights, _: weighted_auroc(p, y, weights),
        place=4,
        ranks=True,
        by_convention=False,
    )
)
