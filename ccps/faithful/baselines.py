"""What a score would be if the words said nothing: constant decisiveness, and decisiveness at random.

A confidence of narrow range makes constants look faithful: with confidences spread evenly over [0.7, 0.9], always
saying 0.8 is 0.95 faithful. A score says something only as far as it exceeds these.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ccps.faithful.metrics import BINS, Metric, stratify
from ccps.faithful.modes import Mode, check_same_length, read_scores
from ccps.metrics.inputs import FloatArray, IntArray


class Baselines(NamedTuple):
    """A score beside those of three ways of saying nothing."""

    score: float
    """The score itself."""
    always_decisive: float
    """Every step of decisiveness 1."""
    best_constant: float
    """Every step of the one decisiveness that scores best: chosen after the fact, so hard to beat."""
    constant: float
    """That decisiveness."""
    permutation: float
    """Expected score if the decisiveness of all steps is dealt out anew among them, across traces."""
    n: int
    """Traces that count."""

    @property
    def over_always_decisive(self) -> float:
        """Excess of the score."""
        return self.score - self.always_decisive

    @property
    def over_best_constant(self) -> float:
        """Excess of the score."""
        return self.score - self.best_constant

    @property
    def over_permutation(self) -> float:
        """Excess of the score: what is owed to the right words in the right places."""
        return self.score - self.permutation


def baselines(
    metric: Metric,
    decisiveness: Sequence[npt.ArrayLike],
    confidence: Sequence[npt.ArrayLike],
    trace_confidence: npt.ArrayLike,
    *,
    bins: int = BINS,
    mode: Mode = "strict",
) -> Baselines:
    """A score and its baselines, all from the same steps, bins and weights.

    All are exact. As bins and weights depend on the confidences alone, a constant's score is concave and piecewise
    linear in it, with its top at the weighted median of the step confidences; and the expectation over all permutations
    needs only the mean distance of each step's confidence from all decisivenesses.

    Args:
        metric: `mfg`, `cmfg` or `cmfg_star`.
        decisiveness: for each trace that of its steps, in [0, 1]. Only steps that have both scores count.
        confidence: for each trace that of its steps, in [0, 1].
        trace_confidence: of each trace, `[traces]`, which the bins are made of; a trace without it does not count.
        bins: number of bins.
        mode: `strict` or `parity`.

    Returns:
        NaN throughout if no trace counts.

    Raises:
        ValueError: different lengths, values out of range, an unknown metric or mode.
    """
    c_trace = read_scores(trace_confidence, "trace_confidence", mode)
    if not len(decisiveness) == len(confidence) == len(c_trace):
        raise ValueError(
            "Expected `decisiveness`, `confidence` and `trace_confidence` to have one entry per trace, but got "
            f"{len(decisiveness)}, {len(confidence)} and {len(c_trace)}. Pass the same traces in one order."
        )
    pairs = [_scored(d, c, mode) for d, c in zip(decisiveness, confidence, strict=True)]
    counts = [len(d) > 0 and not np.isnan(own) for (d, _), own in zip(pairs, c_trace, strict=True)]
    pairs = [pair for pair, count in zip(pairs, counts, strict=True) if count]
    if not pairs:
        return Baselines(np.nan, np.nan, np.nan, np.nan, np.nan, 0)
    sizes = np.array([len(d) for d, _ in pairs])
    d, c = (np.concatenate(side) for side in zip(*pairs, strict=True))
    strata = stratify(metric, c_trace[np.array(counts)], bins=bins, mode=mode)
    weights = np.repeat(strata.row_weights / sizes, sizes)
    top = strata.constant + float(weights.sum())
    constant = _weighted_median(c, weights)
    return Baselines(
        score=top - float(weights @ np.abs(d - c)),
        always_decisive=top - float(weights @ np.abs(1.0 - c)),
        best_constant=top - float(weights @ np.abs(constant - c)),
        constant=constant,
        permutation=top - float(weights @ _mean_distance(c, d)),
        n=len(pairs),
    )


def _scored(d: npt.ArrayLike, c: npt.ArrayLike, mode: Mode) -> tuple[FloatArray, FloatArray]:
    decisive, confident = read_scores(d, "decisiveness", mode), read_scores(c, "confidence", mode)
    check_same_length(decisive, confident, ("decisiveness", "confidence"))
    both = ~np.isnan(decisive + confident)
    return decisive[both], confident[both]


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])


def _mean_distance(points: FloatArray, pool: FloatArray) -> FloatArray:
    """Mean over the pool of |pool − point|, `[points]`, in n log n."""
    ordered = np.sort(pool)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    below: IntArray = np.searchsorted(ordered, points)
    distance = points * below - sums[below] + (sums[-1] - sums[below]) - points * (len(pool) - below)
    mean: FloatArray = distance / len(pool)
    return mean
