import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, log_expit, logit

from ccps.calibrators import Calibrator, LogitMap, fit_calibrator, fit_intercepts
from ccps.calibrators.intercept import PRIOR_VARIANCE

LOG_ODDS = st.one_of(st.floats(-36.8, 36.8), st.sampled_from([-36.8, 0.0, 36.8]))


def one(log_odds: Any, correct: Any, variance: float = PRIOR_VARIANCE) -> float:
    return float(fit_intercepts(np.array(log_odds, float), np.array(correct, float), variance=variance))


def loss(b: float, x: np.ndarray, y: np.ndarray, variance: float) -> float:
    """The negative log-posterior, up to a constant."""
    return float(-np.where(y == 1, log_expit(x + b), log_expit(-x - b)).sum() + b * b / (2 * variance))


@given(arrays(float, st.integers(1, 40), elements=LOG_ODDS), st.data(), st.sampled_from([0.5, 4.0, 9.0]))
@settings(max_examples=200, deadline=None)
def test_it_is_the_maximum_that_scipy_finds(x: np.ndarray, data: Any, variance: float) -> None:
    y = data.draw(arrays(float, len(x), elements=st.sampled_from([0.0, 1.0])))
    found, bound = one(x, y, variance), variance * len(x) + 1
    # The posterior is strictly concave: its derivative has one root, and there it is at its highest.
    root = brentq(lambda b: (y - expit(x + b)).sum() - b / variance, -bound, bound, xtol=1e-12, rtol=1e-14)
    assert found == pytest.approx(root, abs=1e-9)
    best = minimize_scalar(loss, args=(x, y, variance), bounds=(-bound, bound), method="bounded")
    assert loss(found, x, y, variance) <= best.fun + 1e-9
    assert abs(found) <= variance * len(x)


def test_without_a_prior_equal_confidences_are_moved_to_the_share_of_right_answers() -> None:
    # 30 right of 100 that were all given 0.8: the maximum of the likelihood has a closed form.
    y = [1] * 30 + [0] * 70
    assert one([logit(0.8)] * 100, y, variance=1e12) == pytest.approx(logit(0.3) - logit(0.8), rel=1e-9)


def test_the_sum_of_p_is_what_was_right_less_the_pull_of_the_prior() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=80), (rng.random(80) < 0.3).astype(float)
    b = one(x, y)
    assert b < 0
    assert expit(x + b).sum() == pytest.approx(y.sum() - b / PRIOR_VARIANCE, abs=1e-10)


def test_one_label_moves_a_little_and_two_opposite_ones_not_at_all() -> None:
    for label, direction in ((1, 1), (0, -1)):
        b = one([0.0], [label])
        assert direction * b == pytest.approx(brentq(lambda b: expit(-b) - b / 4, 0, 4), abs=1e-10)
        # The rule of succession gives 2/3 after one right answer and none wrong.
        assert 0.6 < expit(direction * b) < 0.8
    assert one([0.0, 0.0], [0, 1]) == pytest.approx(0, abs=1e-12)
    assert one([], []) == 0


@pytest.mark.parametrize("labels", [1, 10, 100, 1000])
def test_answers_that_are_all_right_or_all_wrong_leave_a_sane_probability(labels: int) -> None:
    right, wrong = one([0.0] * labels, [1] * labels), one([0.0] * labels, [0] * labels)
    assert right == pytest.approx(-wrong, rel=1e-9)
    # Laplace's rule of succession knows that many answers too, and leaves 1/(n + 2) of doubt.
    assert 0.3 < (1 - expit(right)) * (labels + 2) < 3


def test_the_prior_weighs_as_one_label_at_most() -> None:
    # σ'(x) = p(1 − p) is what a label adds to the curvature, most where p is one half.
    assert 1 / PRIOR_VARIANCE == 0.5 * (1 - 0.5)


@pytest.mark.parametrize("sure", [36.7, -36.7])
def test_sure_answers_that_were_wrong_and_few_leave_it_finite_and_cannot_drag_it_far(sure: float) -> None:
    y = 0.0 if sure > 0 else 1.0
    assert abs(one([sure], [y])) == pytest.approx(4.0, rel=1e-9)  # the derivative is 1 however far it moves
    rng = np.random.default_rng(1)
    x = rng.normal(size=100)
    labels = (rng.random(100) < expit(x)).astype(float)
    with_it, without = one([*x, sure], [*labels, y]), one(x, labels)
    assert abs(with_it - without) < 1.2 / (expit(x) * (1 - expit(x))).sum()


def test_many_sets_at_once_are_each_as_alone() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(scale=5, size=(3, 50, 7)), rng.integers(2, size=(3, 50, 7)).astype(float)
    found = fit_intercepts(x, y)
    assert found.shape == (3, 50)
    assert found[1, 20] == pytest.approx(one(x[1, 20], y[1, 20]), abs=1e-10)
    assert found[2, 49] == pytest.approx(one(x[2, 49], y[2, 49]), abs=1e-10)


def test_a_label_that_counts_twice_or_not_is_there_twice_or_not() -> None:
    rng = np.random.default_rng(4)
    x, y, counts = rng.normal(size=30), rng.integers(2, size=30).astype(float), rng.integers(3, size=30)
    assert {0, 2} <= {*counts.tolist()}
    repeated = one(np.repeat(x, counts), np.repeat(y, counts))
    assert float(fit_intercepts(x, y, counts.astype(float))) == pytest.approx(repeated, abs=1e-10)


def test_the_true_shift_is_found() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(scale=2, size=20_000)
    y = (rng.random(len(x)) < expit(x - 1.5)).astype(float)
    p = expit(x - 1.5)
    assert one(x, y) == pytest.approx(-1.5, abs=4 / math.sqrt((p * (1 - p)).sum()))


def test_another_base_rate_moves_the_log_odds_of_all_answers_by_one_number() -> None:
    # Bayes: two kinds of answers, confidences as they are at 80 % right, labels as they come at 30 %.
    given_right, given_wrong = np.array([0.1, 0.3, 0.6]), np.array([0.5, 0.3, 0.2])
    before, after = (r * given_right / (r * given_right + (1 - r) * given_wrong) for r in (0.8, 0.3))
    np.testing.assert_allclose(logit(after) - logit(before), logit(0.3) - logit(0.8))
    counts_right = (30_000 * given_right).astype(int)
    counts_wrong = (70_000 * given_wrong).astype(int)
    x = np.repeat(np.tile(logit(before), 2), [*counts_right, *counts_wrong])
    y = np.repeat([1.0, 0.0], [counts_right.sum(), counts_wrong.sum()])
    assert one(x, y) == pytest.approx(logit(0.3) - logit(0.8), abs=1e-3)


@pytest.mark.parametrize("labels", [[1], [0], [1, 1, 1], [0, 0], [1, 0]])
def test_the_calibrator_takes_what_the_others_refuse_and_is_stored(labels: list[int], tmp_path: Any) -> None:
    p = [0.7] * len(labels)
    calibrator = fit_calibrator("intercept", p, labels)
    assert isinstance(calibrator.map, LogitMap)
    assert calibrator.map == LogitMap(1.0, one(logit(p), labels))
    assert (calibrator.parameters, calibrator.answers, calibrator.right) == (1, len(labels), sum(labels))
    calibrator.save(tmp_path)
    assert Calibrator.load(tmp_path) == calibrator
    assert 0 < calibrator.predict([0.0])[0] < calibrator.predict([0.5])[0] < 1
