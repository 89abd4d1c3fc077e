"""The one way in which anything is resampled: what is drawn, how often, and the percentiles of what it gave.

Units are drawn with replacement, as many as there are: subjects, questions, problems with all their traces, or seeds.
Some statistics need to know which unit was drawn in which place (`drawn_places`); for most it is enough how often each
was drawn, which is drawn directly (`drawn_counts`) or counted. Both are the same bootstrap (Efron 1979), from different
streams of random numbers.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ccps.metrics.inputs import FloatArray, IntArray, check_positive, group_members


class Interval(NamedTuple):
    """A metric with its percentile interval."""

    value: float
    """The metric on the data itself."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""
    undefined: int
    """Resamples in which the metric is undefined; the ends are quantiles of the others."""


def drawn_places(rng: np.random.Generator, size: int, n: int) -> IntArray:
    """Which of `n` units comes up in each of `n` draws, `[size, n]`."""
    return rng.integers(n, size=(size, n))


def counted(places: IntArray) -> FloatArray:
    """How often each of `n` units was drawn, `[size, n]`, from `drawn_places` `[size, n]`."""
    size, n = places.shape
    cell = places + n * np.arange(size)[:, None]
    return np.bincount(cell.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def drawn_counts(rng: np.random.Generator, size: int, n: int) -> FloatArray:
    """How often each of `n` units comes up in `n` draws, `[size, n]`, whichever of them came first."""
    return rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)


def percentile_ends(values: FloatArray, level: float) -> tuple[float, float]:
    """Ends of the middle `level` of those resampled values that are defined; NaN if none is.

    Raises:
        ValueError: the level is not strictly between 0 and 1.
    """
    check_level(level)
    defined = values[~np.isnan(values)]
    if not len(defined):
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def clustered_bootstrap(
    statistic: Callable[[IntArray], float],
    groups: npt.ArrayLike | Sequence[object],
    *,
    seed: int,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of any statistic of rows; each resample draws whole groups of them with replacement.

    Args:
        statistic: of row numbers, which may repeat: for instance `lambda rows: cmfg_star(f[rows], c[rows])`.
        groups: which rows belong together (the question of each trace), `[n]`.
        seed: seed of the resampling.
        n_resamples: number of resamples.
        level: probability that the interval is to hold, strictly between 0 and 1.

    Returns:
        Value on all rows, ends, and how many resamples have no value. With one group the ends are the value.

    Raises:
        ValueError: settings out of range, no rows, or missing labels.
    """
    check_level(level)
    check_positive("n_resamples", n_resamples)
    n = len(np.asarray(groups, dtype=object))
    if not n:
        raise ValueError("Expected `groups` to hold at least one row, but got none. Pass one label per row.")
    members = group_members(groups, n)
    draws = drawn_places(np.random.default_rng(seed), n_resamples, len(members))
    sizes = np.array([len(rows) for rows in members])
    pooled, starts = np.concatenate(members), np.cumsum(sizes) - sizes
    values = np.array([statistic(pooled[_runs(starts[draw], sizes[draw])]) for draw in draws])
    return Interval(statistic(np.arange(n)), *percentile_ends(values, level), int(np.isnan(values).sum()))


def _runs(starts: IntArray, sizes: IntArray) -> IntArray:
    """Runs of consecutive numbers, one after the other: from each start on, so many as its size."""
    before = np.cumsum(sizes) - sizes
    places: IntArray = np.repeat(starts - before, sizes) + np.arange(sizes.sum())
    return places


def check_level(level: float) -> None:
    """Refuse a level that is no probability.

    Raises:
        ValueError: it is not strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"Expected `level` to lie between 0 and 1, but got {level}. Use 0.95, say.")
