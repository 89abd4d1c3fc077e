"""MFG, cMFG and cMFG*: how faithful the traces of a dataset are.

All three average faithfulness within bins of confidence first, and then over bins. Which row counts in which bin, and
what a bin weighs, depends on the confidences alone: so each score is linear in faithfulness. Higher is more faithful.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ccps.faithful.modes import Mode, check_same_length, read_scores
from ccps.metrics.conventions import equal_width_bins
from ccps.metrics.inputs import FloatArray, check_choice, check_positive

Metric = Literal["mfg", "cmfg", "cmfg_star"]
BINS = 10

# The released cMFG counts an empty bin as this.
_EMPTY_BIN = 0.5


@dataclass(frozen=True, eq=False)
class Strata:
    """Bins of confidence, and how a score is made of them."""

    members: FloatArray
    """How much each row belongs to each bin, `[bins, n]`: 0 or 1, or between where confidences tie."""
    weights: FloatArray
    """What each bin's mean counts, `[bins]`."""
    low: FloatArray
    """Lower edge of each bin, `[bins]`."""
    high: FloatArray
    """Upper edge of each bin, `[bins]`."""
    constant: float = 0.0
    """What is added whatever the faithfulness."""
    empty: int = 0
    """Bins without a row; they are not among the others."""

    @property
    def sizes(self) -> FloatArray:
        """Rows in each bin, `[bins]`."""
        sizes: FloatArray = self.members.sum(axis=1)
        return sizes

    @property
    def row_weights(self) -> FloatArray:
        """What each row counts, `[n]`: the score is `constant + row_weights @ faithfulness`."""
        weights: FloatArray = (self.weights / self.sizes) @ self.members
        return weights

    def means(self, f: FloatArray) -> FloatArray:
        """Mean faithfulness of each bin, `[bins]`."""
        means: FloatArray = self.members @ f / self.sizes
        return means


@dataclass(frozen=True, eq=False)
class DatasetScore:
    """A score of a dataset, with what it rests on."""

    value: float
    """The score, in [0, 1]; without any row NaN, in `parity` 0."""
    n: int
    """Rows that count."""
    missing: int
    """Rows left out because faithfulness or confidence is missing."""
    unbinned: int
    """Rows that have both and lie in no bin: in `parity` cMFG has none for a confidence of 1."""
    support: tuple[float, float]
    """Smallest and largest confidence of the rows that have both."""
    strata: Strata
    """The bins."""
    bin_means: FloatArray
    """Mean faithfulness of each bin."""


def mfg(f: npt.ArrayLike, *, mode: Mode = "strict") -> float:
    """Mean faithful generation: the mean faithfulness of traces (Yona et al. 2024, arXiv 2405.16908).

    Args:
        f: faithfulness of each trace, `[n]`, in [0, 1], missing values as in `dataset_score`.
        mode: `strict` or `parity`.

    Raises:
        ValueError: as in `dataset_score`.
    """
    return dataset_score("mfg", f, f, mode=mode).value


def cmfg(f: npt.ArrayLike, c: npt.ArrayLike, *, bins: int = BINS, mode: Mode = "strict") -> float:
    """Conditional MFG: as if confidences were uniform on [0, 1] (Yona et al. 2024, arXiv 2405.16908).

    The plain mean over bins of equal width. `strict` closes the last bin and skips empty ones. `parity` drops
    confidences of 1, counts empty bins as ½ and has the rounding of its edges (0.3 lies in the bin below).

    Args:
        f: faithfulness of each trace, `[n]`, in [0, 1].
        c: confidence of each trace, `[n]`, in [0, 1].
        bins: number of bins.
        mode: `strict` or `parity`.

    Raises:
        ValueError: as in `dataset_score`.
    """
    return dataset_score("cmfg", f, c, bins=bins, mode=mode).value


def cmfg_star(f: npt.ArrayLike, c: npt.ArrayLike, *, bins: int = BINS, mode: Mode = "strict") -> float:
    """cMFG*: as if confidences were uniform on the range that occurs (arXiv 2606.03969; RLMF, arXiv 2606.32032).

    Bins of equal mass, sizes differing by at most one, weighted by width. Edges are midpoints between neighbouring bins
    and the smallest and largest confidence. If all confidences are equal, the plain mean over bins.
    Rows of equal confidence may fall into different bins: `strict` takes the mean over all their orders, `parity` one.

    Args:
        f: faithfulness of each trace, `[n]`, in [0, 1].
        c: confidence of each trace, `[n]`, in [0, 1].
        bins: number of bins; no more than there are rows.
        mode: `strict` or `parity`.

    Raises:
        ValueError: as in `dataset_score`.
    """
    return dataset_score("cmfg_star", f, c, bins=bins, mode=mode).value


def dataset_score(
    metric: Metric, f: npt.ArrayLike, c: npt.ArrayLike, *, bins: int = BINS, mode: Mode = "strict"
) -> DatasetScore:
    """One of the three scores, with its bins and what was left out.

    Args:
        metric: `mfg`, `cmfg` or `cmfg_star`.
        f: faithfulness of each trace, `[n]`, in [0, 1]; None and NaN are missing, in `parity` −1 and infinities too.
        c: confidence of each trace, `[n]`, likewise. A row counts if it has both.
        bins: number of bins; `mfg` has one.
        mode: `strict` or `parity`.

    Raises:
        ValueError: unknown metric or mode, different lengths, no bin, or in `strict` a value outside [0, 1].
    """
    faithful, confident = read_scores(f, "f", mode), read_scores(c, "c", mode)
    check_same_length(faithful, confident, ("f", "c"))
    both = ~(np.isnan(faithful) | np.isnan(confident))
    faithful, confident = faithful[both], confident[both]
    strata = stratify(metric, confident, bins=bins, mode=mode)
    means = strata.means(faithful)
    nothing = 0.0 if mode == "parity" else np.nan
    counted = int(np.count_nonzero(strata.members.any(axis=0)))
    return DatasetScore(
        value=strata.constant + float(strata.weights @ means) if len(faithful) else nothing,
        n=counted,
        missing=int(np.count_nonzero(~both)),
        unbinned=len(faithful) - counted,
        support=(float(confident.min()), float(confident.max())) if len(confident) else (np.nan, np.nan),
        strata=strata,
        bin_means=means,
    )


def stratify(metric: Metric, c: FloatArray, *, bins: int = BINS, mode: Mode = "strict") -> Strata:
    """The bins of a score.

    Args:
        metric: `mfg`, `cmfg` or `cmfg_star`.
        c: confidences, `[n]`, none missing.
        bins: number of bins.
        mode: `strict` or `parity`.

    Raises:
        ValueError: unknown metric, or no bin.
    """
    check_choice("metric", metric, get_args(Metric))
    check_positive("bins", bins)
    if metric == "cmfg":
        return _equal_width(c, bins, mode)
    if not len(c):
        return Strata(np.empty((0, 0)), np.empty(0), np.empty(0), np.empty(0))
    if metric == "cmfg_star":
        return _equal_mass(c, min(bins, len(c)), mode)
    return Strata(np.ones((1, len(c))), np.ones(1), c.min(keepdims=True), c.max(keepdims=True))


def _equal_width(c: FloatArray, bins: int, mode: Mode) -> Strata:
    edges = np.linspace(0, 1, bins + 1)
    of_row = equal_width_bins(c, bins) if mode == "strict" else np.digitize(c, edges) - 1
    members = (of_row == np.arange(bins)[:, None]).astype(np.float64)
    filled = members.any(axis=1)
    n_filled, empty = int(filled.sum()), bins - int(filled.sum())
    counted = n_filled if mode == "strict" else bins
    return Strata(
        members=members[filled],
        weights=np.full(n_filled, 1 / max(counted, 1)),
        low=edges[:-1][filled],
        high=edges[1:][filled],
        constant=0.0 if mode == "strict" else _EMPTY_BIN * empty / bins,
        empty=empty,
    )


def _equal_mass(c: FloatArray, bins: int, mode: Mode) -> Strata:
    # The released sort is not stable; its order among ties is numpy's.
    order = np.argsort(c, kind="stable" if mode == "strict" else "quicksort")
    groups = np.array_split(c[order], bins)
    inner = np.array([(left[-1] + right[0]) / 2 for left, right in pairwise(groups)])
    edges = np.concatenate([c.min(keepdims=True), inner, c.max(keepdims=True)])
    widths = np.diff(edges)
    total = float(widths.sum())
    members = np.zeros((bins, len(c)))
    members[np.repeat(np.arange(bins), [len(group) for group in groups]), order] = 1.0
    return Strata(
        members=_shared_among_ties(members, c) if mode == "strict" else members,
        weights=widths / total if total > 0 else np.full(bins, 1 / bins),
        low=edges[:-1],
        high=edges[1:],
    )


def _shared_among_ties(members: FloatArray, c: FloatArray) -> FloatArray:
    """Give rows of equal confidence equal shares in the bins that hold them: the mean over all orders of the ties."""
    _, value, counts = np.unique(c, return_inverse=True, return_counts=True)
    shares = np.stack([np.bincount(value, weights=row, minlength=len(counts)) / counts for row in members])
    shared: FloatArray = shares[:, value]
    return shared
