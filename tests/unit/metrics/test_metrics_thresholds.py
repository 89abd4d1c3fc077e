"""Certified thresholds against closed forms, a search over all thresholds, and MAPIE's risk controller."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.risk_control import BinaryClassificationController, BinaryRisk
from scipy.special import bdtr
from scipy.stats import binomtest

from ccps.metrics import Threshold, choose_threshold, fewest_accepted, upper_bound

RISKS = (0.05, 0.1, 0.2, 0.3)


def answers(seed: int, n: int = 200, *, digits: int = 2, sure: float = 0.9) -> tuple[Any, Any]:
    """Confidences with ties, and answers that are right about as often as these say."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.beta(3 * sure, 3 * (1 - sure), n), digits)
    return p, rng.random(n) < p


def by_search(
    p: Any, correct: Any, risk: float, confidence: float, counted: Callable[[int, int], float] = lambda wrong, _: wrong
) -> tuple[float, int, int] | None:
    """The lowest threshold at or above which every threshold that accepts enough has a small binomial tail."""
    found = None
    for value in sorted(set(p.tolist()), reverse=True):
        accepted, wrong = int((p >= value).sum()), int((~correct[p >= value]).sum())
        if accepted < fewest_accepted(risk, confidence):
            continue
        if bdtr(counted(wrong, accepted), accepted, risk) > 1 - confidence:
            return found
        found = (value, accepted, wrong)
    return found


def test_bound_is_that_of_clopper_and_pearson() -> None:
    for wrong, accepted in [(0, 1), (0, 30), (1, 30), (7, 50), (49, 50), (50, 50)]:
        # The one-sided bound of level 0.9 is the upper end of a two-sided interval of level 0.8.
        exact = binomtest(wrong, accepted).proportion_ci(0.8, "exact").high
        assert upper_bound(wrong, accepted, 0.9) == pytest.approx(exact, rel=1e-10)


def test_bound_without_an_error_has_a_closed_form() -> None:
    assert upper_bound(0, 44, 0.9) == pytest.approx(1 - 0.1 ** (1 / 44), rel=1e-12)
    assert upper_bound(0, 0, 0.9) == 1.0


def test_sequence_starts_at_half_as_many_again_as_would_do_without_an_error() -> None:
    # ln 0.1 / ln 0.9 = 21.85, times 1.5 = 32.8; ln 0.1 / ln 0.8 = 10.3, so that the floor of 30 holds.
    assert fewest_accepted(0.1, 0.9) == 33
    assert fewest_accepted(0.2, 0.9) == 30
    assert fewest_accepted(0.05, 0.95) == math.ceil(1.5 * math.log(0.05) / math.log(0.95)) == 88


def test_all_right_certifies_the_lowest_confidence() -> None:
    found = choose_threshold(np.linspace(0.2, 0.9, 50), np.ones(50))
    assert found.threshold == 0.2
    assert (found.certified, found.accepted, found.wrong, found.n) == (True, 50, 0, 50)
    assert found.bound == pytest.approx(1 - 0.1 ** (1 / 50))
    # All of 50 accepted: the exact two-sided interval of level 0.9 begins at 0.05^(1/50).
    assert (found.coverage, found.coverage_high) == (1.0, 1.0)
    assert found.coverage_low == pytest.approx(0.05 ** (1 / 50))
    assert "0 of 50 labelled ones are" in found.reason


def test_too_few_labels_say_how_many_it_takes() -> None:
    found = choose_threshold(np.full(21, 0.9), np.ones(21))
    # 21 without an error leave 1 − 0.1^(1/21) = 10.38 %; 22 would do.
    assert found == Threshold(None, False, found.reason, 0, 0, 1.0, 0.0, 0.0, found.coverage_high, 21, 0.1, 0.9)
    assert "cannot be certified with 21 labels" in found.reason
    assert "up to 10.38 %" in found.reason
    assert "22 labels" in found.reason


def test_fewer_labels_than_the_sequence_starts_with_certify_nothing() -> None:
    found = choose_threshold(np.full(32, 0.9), np.ones(32))
    assert not found.certified
    assert "cannot be certified with 32 labels" in found.reason
    assert "accepts 33 answers" in found.reason
    assert choose_threshold(np.full(33, 0.9), np.ones(33)).threshold == 0.9


def test_the_first_threshold_that_fails_ends_the_sequence() -> None:
    # 30 surest: 2 wrong, P(X <= 2 | 30, 0.2) = 0.044. The next two are wrong: P(X <= 3 | 31, 0.2) = 0.107. The 200
    # right ones that follow would pass again, but are never looked at.
    correct = np.ones(232, dtype=bool)
    correct[[5, 9, 30, 31]] = False
    found = choose_threshold(np.linspace(0.99, 0.5, 232), correct, risk=0.2)
    assert found.threshold == pytest.approx(np.linspace(0.99, 0.5, 232)[29])
    assert (found.accepted, found.wrong) == (30, 2)


def test_a_strictest_threshold_that_fails_is_told_with_its_figures() -> None:
    correct = np.arange(100) % 2 == 0
    found = choose_threshold(np.linspace(0.99, 0.5, 100), correct, risk=0.2)
    assert found.threshold is None
    assert (found.accepted, found.wrong, found.coverage) == (30, 15, 0.3)
    assert found.bound == pytest.approx(upper_bound(15, 30, 0.9))
    assert "Of the 30 answers with the highest P, 15 are wrong" in found.reason


def test_equal_confidences_are_accepted_together() -> None:
    p = np.array([0.9] * 20 + [0.8] * 40 + [0.1] * 40)
    correct = np.array([True] * 60 + [False] * 40)
    found = choose_threshold(p, correct)
    assert (found.threshold, found.accepted) == (0.8, 60)
    shuffled = np.random.default_rng(0).permutation(100)
    assert choose_threshold(p[shuffled], correct[shuffled]) == found
    constant = choose_threshold(np.full(100, 0.7), np.ones(100))
    assert (constant.threshold, constant.accepted) == (0.7, 100)


@given(
    st.integers(0, 10_000), st.sampled_from(RISKS), st.sampled_from((0.8, 0.9, 0.95)), st.sampled_from((0.6, 0.8, 0.95))
)
def test_it_is_what_a_search_over_all_thresholds_finds(seed: int, risk: float, confidence: float, sure: float) -> None:
    p, correct = answers(seed, sure=sure)
    found, wanted = choose_threshold(p, correct, risk, confidence), by_search(p, correct, risk, confidence)
    assert found.certified == (wanted is not None)
    if wanted:
        assert (found.threshold, found.accepted, found.wrong) == wanted
        assert found.bound <= risk


WRONG = BinaryRisk(
    risk_occurrence=lambda truth, said: truth.ravel() != said.ravel(),
    risk_condition=lambda truth, said: said.ravel() == 1,
    higher_is_better=False,
)


def certified_by_mapie(p: Any, correct: Any, risk: float) -> float | None:
    """The lowest threshold of our sequence that MAPIE's controller certifies."""
    controller = BinaryClassificationController(
        predict_function=lambda rows: np.column_stack([1 - rows, rows]),
        risk=WRONG,
        target_level=risk,
        confidence_level=0.9,
        best_predict_param_choice="recall",
        list_predict_params=np.array([t for t in np.unique(p) if (p >= t).sum() >= fewest_accepted(risk, 0.9)]),
        fwer_method="fixed_sequence",
    )
    with warnings.catch_warnings():
        # It says where the risk is not monotonic in the threshold, and that nothing is certified.
        warnings.simplefilter("ignore", UserWarning)
        valid = np.atleast_1d(controller.calibrate(p, correct.astype(int)).valid_predict_params)
    return float(valid.min()) if len(valid) else None


def as_mapie_counts(wrong: int, accepted: int) -> float:
    """Its errors are the number of answers times their share, rounded up: now and then one more than there are."""
    return math.ceil(accepted * (wrong / accepted))


@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize("sure", [0.7, 0.95])
def test_mapie_certifies_the_same_on_the_same_thresholds(risk: float, sure: float) -> None:
    alike = 0
    for seed in range(6):
        p, correct = answers(seed, 250, digits=3, sure=sure)
        found, theirs = choose_threshold(p, correct, risk).threshold, certified_by_mapie(p, correct, risk)
        wanted = by_search(p, correct, risk, 0.9, as_mapie_counts)
        assert theirs == (wanted[0] if wanted else None)
        if found != theirs:
            assert found is not None
            assert theirs is None or theirs > found
        alike += found == theirs
    assert alike >= 3


@pytest.mark.parametrize("name", ["risk", "confidence"])
@pytest.mark.parametrize("value", [0, 1, 10, -0.1, math.nan])
def test_shares_are_refused_where_they_are_none(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"Expected `{name}` to lie strictly between 0 and 1, but got .* 0.1 for 10 %"):
        choose_threshold([0.5], [1], **{name: value})
