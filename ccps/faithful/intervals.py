"""Intervals of dataset scores: by strata, and by resampling questions."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ccps.faithful.metrics import BINS, Metric, Strata, dataset_score
from ccps.faithful.modes import Mode, check_same_length, read_scores
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.metrics.resampling import Interval, check_level, clustered_bootstrap


def stratified_interval(
    metric: Metric,
    f: npt.ArrayLike,
    c: npt.ArrayLike,
    *,
    bins: int = BINS,
    level: float = 0.95,
    mode: Mode = "strict",
) -> Interval:
    """Interval of a score from the spread within its bins, bins and widths taken as given.

    Variance Σ w_j² s_j²/n_j with w_j the bin's weight, and the pooled variance within bins where a bin has one row
    (RLMF, arXiv 2606.32032). It takes traces as independent; with several per question use `clustered_bootstrap`.

    Args:
        metric: `mfg`, `cmfg` or `cmfg_star`.
        f: faithfulness of each trace, `[n]`.
        c: confidence of each trace, `[n]`.
        bins: number of bins.
        level: probability that the interval is to hold, strictly between 0 and 1.
        mode: `strict` or `parity`.

    Returns:
        Value and ends; the ends are NaN if no bin has two rows.

    Raises:
        ValueError: as in `dataset_score`, or `level` out of range.
    """
    check_level(level)
    score = dataset_score(metric, f, c, bins=bins, mode=mode)
    faithful, confident = read_scores(f, "f", mode), read_scores(c, "c", mode)
    error = _standard_error(score.strata, faithful[~np.isnan(faithful + confident)])
    reach = float(ndtri((1 + level) / 2)) * error
    return Interval(score.value, score.value - reach, score.value + reach, 0)


def bootstrap_score(
    metric: Metric,
    f: npt.ArrayLike,
    c: npt.ArrayLike,
    questions: npt.ArrayLike | Sequence[object],
    *,
    seed: int,
    bins: int = BINS,
    n_resamples: int = 1000,
    level: float = 0.95,
    mode: Mode = "strict",
) -> Interval:
    """`clustered_bootstrap` of one of the three scores; bins are made anew in each resample.

    Args:
        metric: `mfg`, `cmfg` or `cmfg_star`.
        f: faithfulness of each trace, `[n]`.
        c: confidence of each trace, `[n]`.
        questions: the question of each trace, `[n]`.
        seed: seed of the resampling.
        bins: number of bins.
        n_resamples: number of resamples.
        level: probability that the interval is to hold.
        mode: `strict` or `parity`.

    Raises:
        ValueError: as in `dataset_score` and `clustered_bootstrap`.
    """
    faithful, confident = read_scores(f, "f", mode), read_scores(c, "c", mode)
    check_same_length(faithful, confident, ("f", "c"))

    def score(rows: IntArray) -> float:
        return dataset_score(metric, faithful[rows], confident[rows], bins=bins, mode=mode).value

    return clustered_bootstrap(score, questions, seed=seed, n_resamples=n_resamples, level=level)


def _standard_error(strata: Strata, f: FloatArray) -> float:
    sizes = strata.sizes
    deviations = (strata.members * (f - strata.means(f)[:, None]) ** 2).sum(axis=1)
    freedom = sizes - 1
    several = freedom > 0.5
    if not several.any():
        return math.nan
    variances = np.full(len(sizes), deviations[several].sum() / freedom[several].sum())
    variances[several] = deviations[several] / freedom[several]
    return math.sqrt(float((strata.weights**2 * variances / sizes).sum()))
