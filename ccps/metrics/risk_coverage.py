"""Selective prediction: how wrong are the answers that one is surest of, and how many may be given?"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ccps.metrics.discrimination import counts_per_value
from ccps.metrics.inputs import FloatArray, ascending, checked_scores, ratio
from ccps.metrics.registry import Metric, register

# Keeps a product such as 0.95 · 20 from ending a rounding above the whole number it is.
_SLACK = 1e-9

_latest: "list[tuple[tuple[weakref.ref[FloatArray], ...], _Given]]" = []
"""The arrays that were counted last, and their counts, for as long as the arrays live."""


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


class _Given(NamedTuple):
    """What is answered at or above each distinct confidence, descending, each `[resamples, values]`."""

    right: FloatArray
    """Correct answers that have this confidence."""
    wrong: FloatArray
    """Wrong ones."""
    right_so_far: FloatArray
    """Correct answers that have it or a higher one."""
    wrong_so_far: FloatArray
    """Wrong ones."""

    @property
    def here(self) -> FloatArray:
        return self.right + self.wrong

    @property
    def so_far(self) -> FloatArray:
        return self.right_so_far + self.wrong_so_far


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
    given = _given(p[order], y[order], np.ones((1, len(p))))
    return RiskCoverage(
        threshold=np.unique(p)[::-1],
        coverage=given.so_far[0] / len(p),
        risk=(given.wrong_so_far / given.so_far)[0],
        aurc=float(_aurc(given)[0]),
    )


def _given(p: FloatArray, y: FloatArray, weights: FloatArray) -> _Given:
    """The counts that all metrics here are made of; a table asks for those of the same arrays one after the other."""
    arrays = (p, y, weights)
    for known, given in _latest:
        if all(reference() is array for reference, array in zip(known, arrays, strict=True)):
            return given
    right, wrong = (counts[:, ::-1] for counts in counts_per_value(p, y, weights))
    given = _Given(right, wrong, np.cumsum(right, axis=1), np.cumsum(wrong, axis=1))
    _latest[:] = [(tuple(weakref.ref(array, lambda _: _latest.clear()) for array in arrays), given)]
    return given


def _aurc(given: _Given) -> FloatArray:
    # A value that no weight falls on may have nothing at or above it; it adds nothing either.
    risk = np.nan_to_num(ratio(given.wrong_so_far, given.so_far))
    return ratio((given.here * risk).sum(axis=1), given.so_far[:, -1])


def _excess_aurc(given: _Given) -> FloatArray:
    """The area beyond that of an order with all right answers first: the mean over k > R of (k − R)/k, R right ones."""
    right, total = given.right_so_far[:, -1], given.so_far[:, -1]
    sums = _harmonic(total)
    best = total - right - right * (_at(sums, total) - _at(sums, right))
    return _aurc(given) - ratio(best, total)


def _rejection_ratio(given: _Given, most: float) -> FloatArray:
    """The mean accuracy of the k surest answers, k from n down to n − most · n + 1, between chance (0) and best (1).

    Within equal confidences the accuracy is the mean over all orders: of the k surest, of which a lie above and m share
    the confidence that k falls on, (right above + (k − a) · right share) / k are right, a sum of harmonic terms.
    """
    right, total = given.right_so_far[:, [-1]], given.so_far[:, [-1]]
    kept = total - np.floor(most * total + _SLACK)
    sums = _harmonic(total)
    above = given.so_far - given.here
    first, last = np.maximum(above, kept), np.maximum(given.so_far, kept)
    share = np.nan_to_num(ratio(given.right, given.here))
    offset = given.right_so_far - given.right - above * share
    area = (offset * (_at(sums, last) - _at(sums, first)) + (last - first) * share).sum(axis=1, keepdims=True)
    best = np.maximum(right - kept, 0) + right * (_at(sums, total) - _at(sums, np.maximum(right, kept)))
    chance = np.nan_to_num(ratio(right, total)) * (total - kept)
    # With one answer to reject, or one kind of answers, every order is as good as any.
    room = np.where((right > 0) & (right < total) & (total - kept > 1), best - chance, 0.0)
    return ratio(area - chance, room)[:, 0]


def _accuracy_at(given: _Given, coverage: float) -> FloatArray:
    """Accuracy of the surest answers that make up the coverage; the mean over all orders of equal confidences."""
    total = given.so_far[:, [-1]]
    k = np.ceil(coverage * total - _SLACK)
    place = np.argmax(given.so_far >= k, axis=1)[:, None]
    right, here, right_so_far, so_far = (
        np.take_along_axis(counts, place, axis=1)
        for counts in (given.right, given.here, given.right_so_far, given.so_far)
    )
    share = np.nan_to_num(ratio(right, here))
    return ratio(right_so_far - (so_far - k) * share, k)[:, 0]


def _coverage_at(given: _Given, risk: float) -> FloatArray:
    """The largest share that some threshold answers with no more than this risk; 0 if none does."""
    allowed = given.wrong_so_far <= risk * given.so_far + _SLACK
    return ratio(np.where(allowed, given.so_far, 0.0).max(axis=1), given.so_far[:, -1])


def _false_positive_rate(given: _Given, true_positive_rate: float) -> FloatArray:
    """The share of wrong answers at or above the highest threshold that this share of right ones reaches."""
    right, wrong = given.right_so_far[:, [-1]], given.wrong_so_far[:, -1]
    place = np.argmax(given.right_so_far >= true_positive_rate * right - _SLACK, axis=1)[:, None]
    found = np.take_along_axis(given.wrong_so_far, place, axis=1)[:, 0]
    return ratio(found, np.where(right[:, 0] > 0, wrong, 0.0))


def _harmonic(totals: FloatArray) -> FloatArray:
    """1 + 1/2 + … + 1/k for every k from 0 to the largest total."""
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(totals.max()) + 1))])


def _at(sums: FloatArray, counts: FloatArray) -> FloatArray:
    found: FloatArray = sums[counts.astype(np.int64)]
    return found


def _add(
    name: str, label: str, place: int, gloss: str, of: Callable[[_Given], FloatArray], *, lower_is_better: bool = False
) -> None:
    register(
        Metric(
            name,
            label,
            lower_is_better=lower_is_better,
            scale="points",
            gloss=gloss,
            measure=lambda p, y, weights, _: of(_given(p, y, weights)),
            place=place,
            ranks=True,
            in_contest=False,
        )
    )


_add(
    "aurc",
    "AURC",
    11,
    "Area under the risk-coverage curve: the share of wrong answers, averaged over all thresholds "
    "(Geifman et al., arXiv 1805.08206).",
    _aurc,
    lower_is_better=True,
)
_add(
    "e_aurc",
    "E-AURC",
    12,
    "AURC beyond that of the best order, all right answers first.",
    _excess_aurc,
    lower_is_better=True,
)
_add(
    "prr",
    "PRR",
    13,
    "Prediction-rejection ratio: the accuracy gained by rejecting the least sure answers, averaged over how many are "
    "rejected; 0 is chance, 100 % the best order (lm-polygraph, arXiv 2406.15627).",
    lambda given: _rejection_ratio(given, 1.0),
)
_add(
    "prr50",
    "PRR to 50 %",
    14,
    "The same where at most half of the answers are rejected.",
    lambda given: _rejection_ratio(given, 0.5),
)
_add(
    "fpr95",
    "FPR at 95 % TPR",
    15,
    "Share of wrong answers that pass the highest threshold that 95 % of the right ones pass.",
    lambda given: _false_positive_rate(given, 0.95),
    lower_is_better=True,
)
for _index, _percent in enumerate((50, 80, 90)):
    _add(
        f"acc_at_{_percent}",
        f"Accuracy at {_percent} %",
        16 + _index,
        f"Share of right answers among the {_percent} % that are surest.",
        lambda given, share=_percent / 100: _accuracy_at(given, share),  # type: ignore[misc]
    )
for _index, _percent in enumerate((5, 10, 20)):
    _add(
        f"cov_at_{_percent}",
        f"Coverage at {_percent} %",
        19 + _index,
        f"Largest share of answers above some threshold of which at most {_percent} % are wrong.",
        lambda given, risk=_percent / 100: _coverage_at(given, risk),  # type: ignore[misc]
    )
