"""Discrimination: whether correct answers get higher confidences than wrong ones."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ccps.metrics.inputs import FloatArray, ascending, checked_scores, ratio
from ccps.metrics.registry import Metric, register


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """How much is answered, and how much of it wrongly, as the threshold on confidence falls."""

    threshold: FloatArray
    """Distinct values of P(correct), descending; answers at or above it are given."""
    coverage: FloatArray
    """Share of answers given."""
    risk: FloatArray
    """Share of wrong ones among them."""
    aurc: float
    """Area under the curve: the mean over answers of the risk at the answer's own threshold."""


def risk_coverage(p_correct: npt.ArrayLike, correct: npt.ArrayLike) -> RiskCoverage:
    """Risk-coverage curve of selective prediction; answers of equal confidence enter together.

    Source: Geifman, Uziel and El-Yaniv (arXiv 1805.08206). Without ties the area is their mean of the risk
    over the n coverages; with ties it does not depend on how rows of equal confidence happen to be ordered.

    Args:
        p_correct: P(the answer is correct), `[n]`, in [0, 1].
        correct: whether it was, `[n]`, 0, 1 or booleans.

    Raises:
        ValueError: if the arguments are not as above.
    """
    p, y = checked_scores(p_correct, correct)
    order = ascending(p, y)
    right, wrong = (counts[0, ::-1] for counts in _counts_per_value(p[order], y[order], np.ones((1, len(p)))))
    given = np.cumsum(right + wrong)
    risk = np.cumsum(wrong) / given
    return RiskCoverage(
        threshold=np.unique(p)[::-1],
        coverage=given / len(p),
        risk=risk,
        aurc=float(((right + wrong) * risk).sum() / len(p)),
    )


def weighted_auroc(p: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Area under the ROC curve: P(a correct row scores above a wrong one), ties counting half.

    Args:
        p: P(correct), `[n]`, ascending.
        y: labels, `[n]`.
        weights: how often each row counts, whole numbers, `[resamples, n]`.

    Returns:
        `[resamples]`; NaN where one class is absent.
    """
    right, wrong = _counts_per_value(p, y, weights)
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
    right, wrong = _counts_per_value(p, y, weights)
    right_above = np.cumsum(right[:, ::-1], axis=1)[:, ::-1]
    wrong_above = np.cumsum(wrong[:, ::-1], axis=1)[:, ::-1]
    # A value that no weight falls on may have nothing at or above it; it adds no correct row either.
    precision = np.nan_to_num(ratio(right_above, right_above + wrong_above))
    return ratio((right * precision).sum(axis=1), right.sum(axis=1))


def _counts_per_value(p: FloatArray, y: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Correct and wrong rows at each distinct value of ascending `p`, each `[resamples, values]`."""
    starts = np.flatnonzero(np.diff(p, prepend=-1.0))
    return np.add.reduceat(weights * y, starts, axis=1), np.add.reduceat(weights * (1 - y), starts, axis=1)


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
    )
)
