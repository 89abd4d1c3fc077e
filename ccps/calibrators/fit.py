"""Fitting a calibrator to answers that are known to be right or wrong."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit

from ccps.calibrators.calibrator import Calibrator, Kind, LogitMap, StepMap, finite_logit
from ccps.calibrators.intercept import fit_intercepts
from ccps.core.errors import UserError, expected
from ccps.metrics.inputs import checked_scores

LEAST_SLOPE = math.exp(-10)
"""The flattest map of Platt's kind; scikit-learn bounds its inverse temperature by the same number."""

FloatArray = NDArray[np.float64]


def fit_calibrator(kind: Kind | str, p_correct: ArrayLike, correct: ArrayLike) -> Calibrator:
    """Fit a map from a method's P(correct) to a better calibrated one, the first three by scikit-learn.

    - `temperature`: `sigmoid(logit(p)/T)`, T by maximum likelihood (Guo et al., arXiv 1706.04599).
    - `platt`: `sigmoid(slope · logit(p) + intercept)` by maximum likelihood on Platt's smoothed labels (Platt 1999,
      "Probabilistic outputs for support vector machines"). If right answers have the lower confidence, the slope
      stays at `LEAST_SLOPE` rather than turn the order round.
    - `isotonic`: the non-decreasing function of p with the least squared error (Zadrozny & Elkan 2002).
    - `intercept`: `sigmoid(logit(p) + b)`, b by maximum a posteriori under a prior that weighs at most as much as one
      label (`ccps.calibrators.intercept`). It is meant for a few labels of the questions that one has: one is enough,
      and so are answers that are all right, all wrong, or of one confidence.

    All but `isotonic` keep the order of the answers, which may tie neighbours. They read a p of exactly 0 or 1 as 2⁻⁵³
    or 1 − 2⁻⁵³; `isotonic` reads it as it is, and may return exact zeros and ones.

    Args:
        kind: the form of the map.
        p_correct: `[n]`, P(correct) in [0, 1], of answers that the method itself was not fitted to.
        correct: `[n]`, 1 or true where the answer is correct, else 0.

    Raises:
        UserError: the kind is unknown; or, but for `intercept`, the answers are all right or all wrong, or all have
            one confidence.
        ValueError: there is no row, the lengths differ, or a value is missing or out of range.
    """
    if kind not in list(Kind):
        raise expected("`kind`", f"one of {', '.join(Kind)}", repr(kind), "Choose one of these.")
    p, y = checked_scores(p_correct, correct)
    if kind != Kind.intercept:
        _check_varied(p, y)
    return Calibrator(Kind(kind), FITS[Kind(kind)](p, y), answers=len(y), right=int(y.sum()))


def _check_varied(p: FloatArray, y: FloatArray) -> None:
    """Refuse answers that leave nothing to fit, or that would be fitted by infinite numbers."""
    right = int(y.sum())
    if right in (0, len(y)):
        raise expected(
            "`correct`",
            "right for some answers and wrong for others",
            f"{right} right of {len(y)}",
            "Calibrate on more questions, or on some that are harder or easier for this model; or choose intercept.",
        )
    if (p == p[0]).all():
        raise UserError(
            f"Expected `p_correct` to differ between answers, but got {p[0]} in all {len(p)} rows. "
            "Leave this method uncalibrated: there is nothing to map."
        )


def _temperature(p: FloatArray, y: FloatArray) -> LogitMap:
    fitted = _scikit_learn("temperature", finite_logit(p), y)
    # It gives the two labels the logits −x and x, whose difference is twice x.
    return LogitMap(slope=2 * float(fitted.beta_), intercept=0.0)


def _platt(p: FloatArray, y: FloatArray) -> LogitMap:
    x = finite_logit(p)
    fitted = _scikit_learn("sigmoid", x, y)
    slope, intercept = -float(fitted.a_), -float(fitted.b_)
    if slope >= LEAST_SLOPE:
        return LogitMap(slope, intercept)
    # The likelihood is concave: its maximum under a bound that it violates lies on the bound.
    right, wrong = y.sum(), (1 - y).sum()
    share = np.where(y == 1, (right + 1) / (right + 2), 1 / (wrong + 2)).mean()
    intercept = brentq(lambda b: expit(LEAST_SLOPE * x + b).mean() - share, -50, 50)
    return LogitMap(LEAST_SLOPE, float(intercept))


def _isotonic(p: FloatArray, y: FloatArray) -> StepMap:
    from sklearn.isotonic import IsotonicRegression  # takes a second

    fitted = IsotonicRegression(y_min=0, y_max=1).fit(p, y)
    return StepMap(tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist()))


def _intercept(p: FloatArray, y: FloatArray) -> LogitMap:
    return LogitMap(slope=1.0, intercept=float(fit_intercepts(finite_logit(p), y)))


FITS: dict[Kind, Callable[[FloatArray, FloatArray], LogitMap | StepMap]] = {
    Kind.temperature: _temperature,
    Kind.platt: _platt,
    Kind.isotonic: _isotonic,
    Kind.intercept: _intercept,
}


def _scikit_learn(method: str, scores: FloatArray, y: FloatArray) -> Any:
    """Fit scikit-learn's calibrator of this name to scores `[n]`; returns the object that holds its parameters."""
    from sklearn.calibration import CalibratedClassifierCV  # takes a second
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    identity = LogisticRegression()
    identity.classes_, identity.coef_, identity.intercept_ = np.array([0.0, 1.0]), np.ones((1, 1)), np.zeros(1)
    # What is frozen is not fitted again, so that one fold may hold all rows on both sides.
    rows = np.arange(len(y))
    fitted = CalibratedClassifierCV(FrozenEstimator(identity), method=method, cv=[(rows, rows)])
    return fitted.fit(scores[:, None], y).calibrated_classifiers_[0].calibrators[0]
