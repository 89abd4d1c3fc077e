"""Whether decisiveness goes up and down with confidence: gaps and rank correlations, within traces and across them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from ccps.faithful.modes import check_same_length, read_scores
from ccps.metrics.inputs import FloatArray, IntArray

NEAR = 0.02
_FEWEST = 3


class Gap(NamedTuple):
    """In which direction words and confidence differ."""

    mean: float
    """Mean D − C; above 0, the words are more certain than the model."""
    over: float
    """Share of traces in which the words are more certain."""
    under: float
    """Share in which they are less certain."""
    near: float
    """Share in which they are within `near` of each other."""
    n: int
    """Traces that have both."""


class WithinTraces(NamedTuple):
    """Rank correlation of decisiveness and confidence over the steps of one trace, averaged over traces."""

    mean: float
    """Mean over the traces in which it is defined; NaN if in none."""
    n: int
    """Traces in which it is defined."""
    undefined: int
    """Traces with fewer than three scored steps, or in which one of the two does not vary."""


@dataclass(frozen=True, eq=False)
class Correlations:
    """Rank correlations of several scores of the same traces."""

    names: tuple[str, ...]
    """The scores, in the order of rows and columns."""
    rho: FloatArray
    """Spearman's ρ, `[scores, scores]`; NaN where undefined."""
    n: IntArray
    """Traces that have both scores, `[scores, scores]`."""


def signed_gap(decisiveness: npt.ArrayLike, confidence: npt.ArrayLike, *, near: float = NEAR) -> Gap:
    """Direction of the gap between what traces say and what they believe.

    Args:
        decisiveness: of each trace, `[n]`, over the same steps as `confidence`; NaN is missing.
        confidence: of each trace, `[n]`.
        near: difference up to which the two count as equal.

    Raises:
        ValueError: different lengths, or values outside [0, 1].
    """
    d, c = _read(decisiveness, confidence)
    gaps = (d - c)[~np.isnan(d - c)]
    if not len(gaps):
        return Gap(np.nan, np.nan, np.nan, np.nan, 0)
    over, under = float((gaps > near).mean()), float((gaps < -near).mean())
    close = float((np.abs(gaps) <= near).mean())
    return Gap(float(gaps.mean()), over, under, close, len(gaps))


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Spearman's ρ over the places where both are known.

    Returns:
        ρ; NaN with fewer than three such places, or where one of the two does not vary over them.

    Raises:
        ValueError: different lengths.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    check_same_length(x, y, ("first", "second"))
    both = ~np.isnan(x + y)
    if np.count_nonzero(both) < _FEWEST:
        return np.nan
    u, v = (rankdata(side[both]) for side in (x, y))
    u, v = u - u.mean(), v - v.mean()
    spread = float(np.sqrt((u @ u) * (v @ v)))
    return float(u @ v) / spread if spread > 0 else np.nan


def spearman_within(decisiveness: Sequence[npt.ArrayLike], confidence: Sequence[npt.ArrayLike]) -> WithinTraces:
    """Whether a trace's words follow its confidence from step to step, averaged over traces.

    Args:
        decisiveness: for each trace that of its steps; NaN is missing.
        confidence: for each trace that of its steps.

    Raises:
        ValueError: different lengths.
    """
    values = np.array([spearman(d, c) for d, c in zip(decisiveness, confidence, strict=True)])
    defined = values[~np.isnan(values)]
    return WithinTraces(float(defined.mean()) if len(defined) else np.nan, len(defined), len(values) - len(defined))


def correlations(scores: Mapping[str, npt.ArrayLike]) -> Correlations:
    """Spearman's ρ of every pair of scores, each over the traces that have both.

    Args:
        scores: name and values of each, `[traces]`; NaN is missing.

    Raises:
        ValueError: different lengths.
    """
    columns = [np.asarray(column, dtype=np.float64) for column in scores.values()]
    rho = [[spearman(one, other) for other in columns] for one in columns]
    n = [[np.count_nonzero(~np.isnan(one + other)) for other in columns] for one in columns]
    return Correlations(tuple(scores), np.array(rho, dtype=np.float64), np.array(n, dtype=np.int64))


def _read(decisiveness: npt.ArrayLike, confidence: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    d = read_scores(decisiveness, "decisiveness", "strict")
    c = read_scores(confidence, "confidence", "strict")
    check_same_length(d, c, ("decisiveness", "confidence"))
    return d, c
