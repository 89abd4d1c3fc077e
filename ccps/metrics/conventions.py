"""The named ways of measuring an expected calibration error.

The literature writes "ECE" for different quantities: the confidence may be that of the predicted label or
P(correct), and bins may lose their end points. Numbers of two conventions cannot be compared, so each table
names the one it used.

One difference from the code behind `ct` remains: it works in float32, where every confidence above 1 − 3e-8
is exactly 1 and is left out; here only those are left out that are 1 in float64.

Bins of equal width begin at whole multiples of their width, whatever 3 · 0.1 is in binary. Only `ct` has the edges of
its code, `linspace(0, 1, 11)`, of which the third, sixth and seventh lie a rounding above 0.3, 0.6 and 0.7.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from ccps.metrics.inputs import FloatArray, IntArray, check_choice, check_positive

Confidence = Literal["max_prob", "p_correct"]
Binning = Literal["half_open", "last_closed", "right_closed", "first_closed", "equal_mass"]


@dataclass(frozen=True)
class Convention:
    """One way of measuring an expected calibration error.

    Use `dataclasses.replace(CONVENTIONS["ct"], name="ct15", n_bins=15)` for a variant.

    Raises:
        ValueError: if `confidence` or `binning` is unknown, or `n_bins` is below 1.
    """

    name: str
    """The name that tables print."""
    description: str
    """One line: which confidence, which bins, what is left out."""
    source: str
    """Where the convention comes from."""
    confidence: Confidence
    """`max_prob`: max(p, 1 − p), in the predicted label; `p_correct`: p, in the answer."""
    binning: Binning
    """`half_open`: [lo, hi) with the edges `linspace(0, 1, n_bins + 1)`, 1.0 in no bin; `last_closed`: [lo, hi), 1.0 in
    the last bin; `right_closed`: (lo, hi], 0.0 in no bin; `first_closed`: (lo, hi], 0.0 in the first bin;
    `equal_mass`: equal counts, equal confidences together."""
    n_bins: int = 10
    """Number of bins."""

    def __post_init__(self) -> None:
        check_choice("confidence", self.confidence, get_args(Confidence))
        check_choice("binning", self.binning, get_args(Binning))
        check_positive("n_bins", self.n_bins)


CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        convention.name: convention
        for convention in (
            Convention(
                "ct",
                "max(p, 1 − p), ten bins [lo, hi), but 60 and 70 % lie in the bin below, by rounding in the released "
                "code; a confidence of exactly 1 is in no bin and is left out",
                "released code of Calibration-Tuning (arXiv 2406.08391) and of CCPS (arXiv 2505.21772)",
                "max_prob",
                "half_open",
            ),
            Convention(
                "max_prob",
                "max(p, 1 − p), ten bins [lo, hi), the last one closed; nothing is left out",
                "top-label calibration error of Guo et al. (arXiv 1706.04599), with the bins of `ct`",
                "max_prob",
                "last_closed",
            ),
            Convention(
                "p_correct",
                "P(correct), ten bins [lo, hi), the last one closed; nothing is left out",
                "Naeini et al., AAAI 2015; defined so in the text of Calibration-Tuning (arXiv 2406.08391)",
                "p_correct",
                "last_closed",
            ),
            Convention(
                "equal_mass",
                "P(correct), ten bins of equal count, equal confidences together; nothing is left out",
                "adaptive bins of Nixon et al. (arXiv 1904.01685), cut only between distinct values",
                "p_correct",
                "equal_mass",
            ),
            Convention(
                "right_closed",
                "P(correct), ten bins (lo, hi]; a confidence of exactly 0 is in no bin and is left out",
                "later code of the CCPS authors: CCPS-Oncology, BICR (arXiv 2605.10893)",
                "p_correct",
                "right_closed",
            ),
            Convention(
                "uniform_right",
                "P(correct), ten bins (lo, hi], 0 in the first; nothing is left out",
                "scikit-learn's `calibration_curve` (strategy `uniform`), uqlm, lm-polygraph",
                "p_correct",
                "first_closed",
            ),
        )
    }
)


def find_convention(convention: str | Convention) -> Convention:
    """Look a convention up by name; a `Convention` is returned as it is.

    Raises:
        ValueError: if no convention has that name.
    """
    if isinstance(convention, Convention):
        return convention
    check_choice("convention", convention, tuple(CONVENTIONS))
    return CONVENTIONS[convention]


def predicted_label(p: FloatArray) -> FloatArray:
    """Argmax over [1 − p, p]: 1 where p > 0.5, so a tie goes to 0."""
    return (p > 0.5).astype(np.float64)


def confidence_and_outcome(p: FloatArray, y: FloatArray, convention: Convention) -> tuple[FloatArray, FloatArray]:
    """The confidence of every row, and whether what it was confident of came true (0 or 1).

    Args:
        p: P(correct), `[n]`.
        y: labels, `[n]` or `[draws, n]`.
        convention: says which confidence.
    """
    if convention.confidence == "p_correct":
        return p, y
    return np.maximum(p, 1 - p), (predicted_label(p) == y).astype(np.float64)


def assign_bins(confidence: FloatArray, weights: FloatArray, convention: Convention) -> IntArray:
    """The bin of every row, counted from 0; `n_bins` stands for "in no bin".

    Args:
        confidence: `[n]`, in [0, 1].
        weights: how often each row counts, `[resamples, n]`; only `equal_mass` looks at it.
        convention: says which bins.

    Returns:
        `[n]` for bins of equal width, `[resamples, n]` for `equal_mass`.
    """
    n_bins = convention.n_bins
    if convention.binning == "equal_mass":
        return _equal_mass_bins(confidence, weights, n_bins)
    if convention.binning == "half_open":
        return np.searchsorted(np.linspace(0, 1, n_bins + 1), confidence, side="right") - 1
    bins = equal_width_bins(confidence, n_bins, right_closed=convention.binning != "last_closed")
    return np.where(confidence == 0, n_bins, bins) if convention.binning == "right_closed" else bins


def equal_width_bins(values: FloatArray, n_bins: int, *, right_closed: bool = False) -> IntArray:
    """The bin of each value in [0, 1], counted from 0; every value is in one.

    Rounding puts 0.3 at the edge between the third and the fourth of ten bins, whatever 3 · 0.1 is in binary.

    Args:
        values: of any shape, in [0, 1].
        n_bins: number of bins, all of one width.
        right_closed: bins (lo, hi], the first closed on both sides, instead of [lo, hi), the last so.
    """
    place = np.round(values * n_bins, 9)
    bins: IntArray = (np.ceil(place) - 1 if right_closed else np.floor(place)).astype(np.int64)
    return np.clip(bins, 0, n_bins - 1)


def _equal_mass_bins(confidence: FloatArray, weights: FloatArray, n_bins: int) -> IntArray:
    """Cut after every 1/n_bins of the rows; a cut inside a run of equal values moves to its nearer end.

    That is the same as to put each run, whole, in the bin that holds the middle of its ranks.
    """
    order = np.argsort(confidence, kind="stable")
    _, starts, run_of_row = np.unique(confidence[order], return_index=True, return_inverse=True)
    in_run = np.add.reduceat(weights[:, order], starts, axis=1)
    up_to = np.cumsum(in_run, axis=1)
    # Twice the middle rank, and whole numbers throughout: the floor is exact.
    bins = ((2 * up_to - in_run) * n_bins // (2 * up_to[:, -1:])).astype(np.int64)
    unsorted = np.empty((len(weights), len(confidence)), dtype=np.int64)
    unsorted[:, order] = bins[:, run_of_row]
    return unsorted
