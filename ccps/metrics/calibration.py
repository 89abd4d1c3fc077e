"""Calibration: how far confidences are from frequencies, and how far chance alone would put them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ccps.metrics.conventions import (
    Convention,
    assign_bins,
    confidence_and_outcome,
    find_convention,
    predicted_label,
)
from ccps.metrics.inputs import (
    FloatArray,
    IntArray,
    ascending,
    batch_sizes,
    check_positive,
    checked_probabilities,
    checked_scores,
    group_members,
    ratio,
)
from ccps.metrics.registry import Metric, register

ECE_ABOVE = "the interval of the ECE lies above it, as resampling adds to a small ECE (docs/statistics.md)"
"""What is to be said where `is_ece_above`."""


def is_ece_above(metric: str, value: float, low: float) -> bool:
    """Whether a percentile interval of an ECE, from `low` on, lies above the ECE itself, as it may where that is small.

    False for other metrics, and where an end is NaN. Less than the rounding of the sums is no difference.
    """
    return metric == "ece" and low - value > 1e-9


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """The points of a reliability diagram, one per bin."""

    lower: FloatArray
    """Lower edge; for bins of equal mass the smallest confidence in the bin, NaN where it is empty."""
    upper: FloatArray
    """Upper edge; for bins of equal mass the largest confidence in the bin, NaN where it is empty."""
    count: IntArray
    """Rows in the bin."""
    confidence: FloatArray
    """Mean confidence, NaN where the bin is empty."""
    accuracy: FloatArray
    """Share of rows whose confidence was borne out, NaN where the bin is empty."""
    n_dropped: int
    """Rows in no bin."""


class EceNoise(NamedTuple):
    """The expected calibration error that chance alone gives a perfectly calibrated model."""

    mean: float
    """Mean over the draws."""
    q95: float
    """95 % quantile over the draws: a smaller ECE does not refute perfect calibration at the 5 % level."""
    n_draws: int
    """Number of simulated label sets."""


def ece(p_correct: npt.ArrayLike, correct: npt.ArrayLike, convention: str | Convention = "ct") -> float:
    """Expected calibration error: the mean over rows of |accuracy − confidence| of the row's bin.

    Args:
        p_correct: P(the answer is correct), `[n]`, in [0, 1].
        correct: whether it was, `[n]`, 0, 1 or booleans.
        convention: a name in `CONVENTIONS`, or a `Convention`.

    Returns:
        A fraction; NaN if the convention leaves every row out.

    Raises:
        ValueError: if the arguments are not as above.
    """
    chosen = find_convention(convention)
    p, y = checked_scores(p_correct, correct)
    order = ascending(p, y)
    return float(weighted_ece(p[order], y[order], np.ones((1, len(p))), chosen)[0])


def reliability_bins(
    p_correct: npt.ArrayLike, correct: npt.ArrayLike, convention: str | Convention = "ct"
) -> ReliabilityBins:
    """Count, mean confidence and accuracy per bin: what a reliability diagram draws and the ECE sums up.

    Args:
        p_correct: P(the answer is correct), `[n]`, in [0, 1].
        correct: whether it was, `[n]`, 0, 1 or booleans.
        convention: a name in `CONVENTIONS`, or a `Convention` (for another number of bins, say).

    Raises:
        ValueError: if the arguments are not as above.
    """
    chosen = find_convention(convention)
    p, y = checked_scores(p_correct, correct)
    order = ascending(p, y)
    confidence, outcome = confidence_and_outcome(p[order], y[order], chosen)
    weights = np.ones((1, len(p)))
    bins = np.broadcast_to(assign_bins(confidence, weights, chosen), weights.shape)[0]
    count = _bin_sums(weights, bins, chosen.n_bins)[0]
    edges = np.linspace(0, 1, chosen.n_bins + 1)
    lower, upper = edges[:-1], edges[1:]
    if chosen.binning == "equal_mass":
        inside = [confidence[bins == b] for b in range(chosen.n_bins)]
        lower = np.array([part.min() if len(part) else np.nan for part in inside])
        upper = np.array([part.max() if len(part) else np.nan for part in inside])
    return ReliabilityBins(
        lower=lower,
        upper=upper,
        count=count.astype(np.int64),
        confidence=ratio(_bin_sums(confidence[None], bins, chosen.n_bins)[0], count),
        accuracy=ratio(_bin_sums(outcome[None], bins, chosen.n_bins)[0], count),
        n_dropped=len(p) - int(count.sum()),
    )


def expected_ece_noise(
    p_correct: npt.ArrayLike,
    convention: str | Convention = "ct",
    *,
    seed: int,
    n_draws: int = 1000,
    groups: npt.ArrayLike | Sequence[object] | None = None,
) -> EceNoise:
    """The ECE that a perfectly calibrated model with these confidences would show at this n.

    On finite data the ECE of a calibrated model is above zero: each bin adds the absolute deviation of its
    frequency. Labels are drawn as Bernoulli(p), so that every confidence is true by construction, and the ECE
    of each draw is taken.

    Args:
        p_correct: P(the answer is correct), `[n]`, in [0, 1].
        convention: a name in `CONVENTIONS`, or a `Convention`.
        seed: seed of the draws.
        n_draws: number of label sets to draw.
        groups: subject of each row, `[n]`; then the ECE is the unweighted mean over subjects, whose smaller n
            lifts the floor.

    Raises:
        ValueError: if the arguments are not as above.
    """
    chosen = find_convention(convention)
    p = checked_probabilities(p_correct)
    check_positive("n_draws", n_draws)
    members = [np.arange(len(p))] if groups is None else group_members(groups, len(p))
    subjects = [np.sort(p[rows]) for rows in members]
    rng = np.random.default_rng(seed)
    drawn = []
    for size in batch_sizes(n_draws, len(p)):
        labels = [(rng.random((size, len(part))) < part).astype(np.float64) for part in subjects]
        per_subject = np.stack(
            [
                weighted_ece(part, y, np.ones((size, len(part))), chosen)
                for part, y in zip(subjects, labels, strict=True)
            ]
        )
        defined = ~np.isnan(per_subject)
        drawn.append(ratio(np.nansum(per_subject, axis=0), defined.sum(axis=0).astype(np.float64)))
    values = np.concatenate(drawn)
    return EceNoise(float(values.mean()), float(np.quantile(values, 0.95)), n_draws)


def weighted_ece(p: FloatArray, y: FloatArray, weights: FloatArray, convention: Convention) -> FloatArray:
    """Expected calibration error under several weightings of the same rows.

    Args:
        p: P(correct), `[n]`.
        y: labels, `[n]`, or `[resamples, n]` if they differ too.
        weights: how often each row counts, `[resamples, n]`.
        convention: says which confidence and which bins.

    Returns:
        `[resamples]`; NaN where no row is in a bin.
    """
    confidence, outcome = confidence_and_outcome(p, y, convention)
    bins = assign_bins(confidence, weights, convention)
    gaps = _bin_sums(weights * (outcome - confidence), bins, convention.n_bins)
    kept = _bin_sums(weights, bins, convention.n_bins).sum(axis=1)
    return ratio(np.abs(gaps).sum(axis=1), kept)


def _bin_sums(values: FloatArray, bins: IntArray, n_bins: int) -> FloatArray:
    """Sum `values` `[resamples, n]` per bin, `[resamples, n_bins]`; rows in no bin are left out."""
    slots = n_bins + 1
    cell = bins + slots * np.arange(len(values))[:, None]
    sums = np.bincount(cell.ravel(), weights=values.ravel(), minlength=slots * len(values)).astype(np.float64)
    return sums.reshape(len(values), slots)[:, :n_bins]


def _weighted_brier(p: FloatArray, y: FloatArray, weights: FloatArray, convention: Convention) -> FloatArray:
    """Mean of (p − y)², the same under every convention."""
    brier: FloatArray = (weights * (p - y) ** 2).sum(axis=1) / weights.sum(axis=1)
    return brier


def _weighted_accuracy(p: FloatArray, y: FloatArray, weights: FloatArray, convention: Convention) -> FloatArray:
    """How often "p > 0.5" says rightly whether the answer is correct."""
    accuracy: FloatArray = (weights * (predicted_label(p) == y)).sum(axis=1) / weights.sum(axis=1)
    return accuracy


register(
    Metric(
        "ece",
        "ECE",
        lower_is_better=True,
        scale="points",
        gloss="Expected calibration error: how far stated confidence lies from the share of right answers, "
        "averaged over confidence bins.",
        measure=weighted_ece,
        place=0,
        constant_wins=True,
    )
)
register(
    Metric(
        "brier",
        "Brier",
        lower_is_better=True,
        scale="points",
        gloss="Mean squared distance between P(correct) and what happened (1 right, 0 wrong); "
        "rewards being calibrated and telling right from wrong.",
        measure=_weighted_brier,
        place=1,
        by_convention=False,
    )
)
register(
    Metric(
        "acc",
        "ACC",
        lower_is_better=False,
        scale="points",
        gloss="Share of answers whose correctness is judged rightly at P(correct) = 0.5. "
        "Not the accuracy of the language model.",
        measure=_weighted_accuracy,
        place=2,
        by_convention=False,
    )
)
