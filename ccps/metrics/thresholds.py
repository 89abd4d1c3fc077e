"""From which confidence on to answer, so that at most a given share of what is answered is wrong."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from ccps.core.text import count
from ccps.metrics.inputs import FloatArray, checked_scores

_FEWEST = 30
_BEYOND_FEASIBLE = 1.5


@dataclass(frozen=True)
class Threshold:
    """Whether a threshold on P(correct) could be certified, and what the labels say of it.

    `accepted`, `wrong`, `bound` and `coverage` are of the threshold; where none could be certified, of the strictest
    one that was tested; and where none was tested, of no answer at all: 0, 0, 1.0 and 0.0.
    """

    threshold: float | None
    """Answer where P(correct) is at least this; None where nothing could be certified."""
    certified: bool
    """Whether there is a threshold."""
    reason: str
    """A sentence: what is certified, or why nothing is."""
    accepted: int
    """Labelled answers with at least this P(correct)."""
    wrong: int
    """Those of them that are wrong."""
    bound: float
    """Upper bound of the share of wrong answers among all that will be accepted, at level `confidence`."""
    coverage: float
    """Share of the labelled answers that are accepted."""
    coverage_low: float
    """Lower end of its exact two-sided interval, of level `confidence`."""
    coverage_high: float
    """Upper end."""
    n: int
    """Labelled answers."""
    risk: float
    """Largest share of wrong answers that is tolerated."""
    confidence: float
    """Probability with which it is kept."""


def choose_threshold(p: npt.ArrayLike, correct: npt.ArrayLike, risk: float = 0.1, confidence: float = 0.9) -> Threshold:
    """Find the lowest threshold whose answers are certified to be wrong in at most a share `risk`.

    Thresholds are tested from strict to lax: every value of P(correct) that occurs, from the first that accepts at
    least `fewest_accepted(risk, confidence)` answers on. The scores alone set this sequence. Each is tested by the
    exact one-sided bound of `upper_bound`, at the full level, and the first that fails ends it. That is testing in a
    fixed sequence (Bauer, Statistics in Medicine 10, 1991; Learn then Test, arXiv 2110.01052), which needs no
    correction for the number of thresholds. With probability `confidence` over the labelled answers, what is accepted
    later is wrong in at most a share `risk`, if

    - nothing was fitted to these labels: neither what gives P(correct) nor its calibration;
    - later questions are drawn like the labelled ones.

    P(correct) need not be calibrated, nor order the answers well: it then accepts few, or nothing is certified.

    Args:
        p: P(the answer is correct), `[n]`, in [0, 1]. Equal values are accepted together.
        correct: whether it was, `[n]`, 0, 1 or booleans.
        risk: largest share of wrong ones among accepted answers, strictly between 0 and 1.
        confidence: probability with which it is kept, strictly between 0 and 1.

    Returns:
        The threshold, or that none can be certified, and why.

    Raises:
        ValueError: if the arguments are not as above.
    """
    _check_share("risk", risk)
    _check_share("confidence", confidence)
    scores, labels = checked_scores(p, correct)
    n, fewest = len(scores), fewest_accepted(risk, confidence)
    best = upper_bound(0, n, confidence)
    if best > risk:
        needed = math.ceil(_labels_without_error(risk, confidence))
        why = (
            f"Even without an error among them, up to {_percent(best)} wrong answers are possible: it takes at least "
            f"{count(needed)} labels."
        )
        return _not_certified(n, risk, confidence, why)
    if n < fewest:
        why = f"The strictest threshold that is tested accepts {count(fewest)} answers."
        return _not_certified(n, risk, confidence, why)
    thresholds, accepted, wrong = _sequence(scores, labels, fewest)
    bounds = _upper_bounds(wrong, accepted, confidence)
    passed = int(np.argmax(bounds > risk)) if (bounds > risk).any() else len(bounds)
    place = max(passed - 1, 0)
    figures = int(accepted[place]), int(wrong[place]), float(bounds[place])
    covered = scores >= thresholds[place]
    if not passed:
        why = (
            f"Of the {count(figures[0])} answers with the highest P, {count(figures[1])} are wrong: up to "
            f"{_percent(figures[2])} are possible."
        )
        return _not_certified(n, risk, confidence, why, figures, covered)
    reason = (
        f"Of the answers with P of at least {thresholds[place]:.6g}, at most {_percent(risk)} are wrong, with "
        f"{_percent(confidence)} confidence: {count(figures[1])} of {count(figures[0])} labelled ones are."
    )
    return _found(float(thresholds[place]), reason, figures, covered, risk, confidence)


def fewest_accepted(risk: float, confidence: float) -> int:
    """How many labelled answers the strictest threshold accepts that is tested.

    At least 30, and half as many again as would do without an error: with fewer, one error that comes early would end
    the sequence where later thresholds could be certified.
    """
    return max(_FEWEST, math.ceil(_BEYOND_FEASIBLE * _labels_without_error(risk, confidence)))


def upper_bound(wrong: int, accepted: int, confidence: float) -> float:
    """The largest share of wrong answers that so few of so many are compatible with: Clopper and Pearson, one-sided.

    It solves P(X <= wrong) = 1 − confidence for the share of a binomial X of `accepted` draws (Biometrika 26, 1934);
    without an error that is 1 − (1 − confidence)^(1 / accepted), and 1 where all are wrong, or none is there.
    """
    return float(_upper_bounds(np.array([wrong]), np.array([accepted]), confidence)[0])


def _upper_bounds(wrong: npt.NDArray[np.int64], accepted: npt.NDArray[np.int64], confidence: float) -> FloatArray:
    right = accepted - wrong
    solved = betaincinv(wrong + 1.0, np.maximum(right, 1), confidence)
    return np.where(right > 0, solved, 1.0)


def _labels_without_error(risk: float, confidence: float) -> float:
    """How many answers without an error keep the bound at the risk, as a real number."""
    return math.log1p(-confidence) / math.log1p(-risk)


def _sequence(
    scores: FloatArray, labels: FloatArray, fewest: int
) -> tuple[FloatArray, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Every threshold that accepts enough, strict to lax, with how many it accepts and how many of them are wrong."""
    values, places = np.unique(-scores, return_inverse=True)
    accepted = np.cumsum(np.bincount(places))
    wrong = np.cumsum(np.bincount(places, labels == 0)).astype(np.int64)
    tested = accepted >= fewest
    return -values[tested], accepted[tested], wrong[tested]


def _not_certified(
    n: int,
    risk: float,
    confidence: float,
    why: str,
    figures: tuple[int, int, float] = (0, 0, 1.0),
    covered: npt.NDArray[np.bool_] | None = None,
) -> Threshold:
    labels = "1 label" if n == 1 else f"{count(n)} labels"
    reason = (
        f"At most {_percent(risk)} wrong answers, with {_percent(confidence)} confidence, cannot be certified with "
        f"{labels}. {why}"
    )
    nothing = np.zeros(n, dtype=bool)
    return _found(None, reason, figures, nothing if covered is None else covered, risk, confidence)


def _found(
    threshold: float | None,
    reason: str,
    figures: tuple[int, int, float],
    covered: npt.NDArray[np.bool_],
    risk: float,
    confidence: float,
) -> Threshold:
    n, kept = len(covered), int(covered.sum())
    one_sided = (1 + confidence) / 2
    low, high = 1 - upper_bound(n - kept, n, one_sided), upper_bound(kept, n, one_sided)
    return Threshold(threshold, threshold is not None, reason, *figures, kept / n, low, high, n, risk, confidence)


def _percent(share: float) -> str:
    """A share in words; as many digits as keep what is asked for and what is found apart."""
    return f"{100 * share:.4g} %"


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(
            f"Expected `{name}` to lie strictly between 0 and 1, but got {value}. Give a fraction: 0.1 for 10 %."
        )
