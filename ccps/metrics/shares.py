"""The interval of a share among answers that come in clusters, as those of one subject do."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, t

from ccps.metrics.inputs import FloatArray
from ccps.metrics.resampling import check_level


class Share(NamedTuple):
    """A share with its interval, all fractions; NaN of nothing."""

    value: float
    low: float
    high: float


def share_interval(hits: npt.ArrayLike, clusters: npt.ArrayLike, *, level: float = 0.95) -> Share:
    """A share and its interval by Korn and Graubard (Survey Methodology 24, 1998).

    That is the exact interval of Clopper and Pearson for as many independent answers as tell as much as these: their
    number over the design effect, with as many degrees of freedom as there are clusters. Unlike a bootstrap it is no
    point where all few answers agree, and it is the exact one where each answer is a cluster.

    Args:
        hits: whether each counts, `[n]`.
        clusters: which belong together, `[n]`.
        level: of the interval.

    Raises:
        ValueError: the level is not strictly between 0 and 1.
    """
    check_level(level)
    counts = np.asarray(hits, dtype=np.float64)
    n = len(counts)
    if not n:
        return Share(np.nan, np.nan, np.nan)
    share, places = float(counts.mean()), np.unique(np.asarray(clusters), return_inverse=True)[1]
    worth = _independent(counts - share, places, (1 - level) / 2)
    tail, right = (1 - level) / 2, share * worth
    low = 0.0 if share == 0 else float(beta.ppf(tail, right, worth - right + 1))
    high = 1.0 if share == 1 else float(beta.ppf(1 - tail, right + 1, worth - right))
    return Share(share, low, high)


def _independent(deviations: FloatArray, places: npt.NDArray[np.intp], tail: float) -> float:
    """How many independent answers tell as much as these; never more than there are."""
    n, squares = len(deviations), float((deviations**2).sum())
    of_clusters = np.bincount(places, deviations)
    k = len(of_clusters)
    # One cluster, or answers that all agree, say nothing of how alike the answers of a cluster are.
    if k < 2 or squares == 0:
        return float(n)
    between = k / (k - 1) * float((of_clusters**2).sum())
    alone = n / (n - 1) * squares
    freedom = float(t.ppf(tail, n - 1) / t.ppf(tail, k - 1)) ** 2
    return float(min(n, n * freedom * alone / between)) if between > 0 else float(n)
