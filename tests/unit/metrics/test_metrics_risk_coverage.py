import math
from fractions import Fraction
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_curve

from ccps.metrics import CONTEST, METRICS, evaluate, risk_coverage

tied = st.lists(st.tuples(st.integers(0, 6).map(lambda k: k / 6), st.booleans()), min_size=1, max_size=30)
few = st.lists(st.tuples(st.integers(0, 2).map(lambda k: k / 2), st.booleans()), min_size=1, max_size=6)
FURTHER = [name for name in METRICS if name not in CONTEST]
OF_RANKS = [name for name in FURTHER if name != "log_loss"]


def risk_at(p: Any, y: Any, threshold: Any) -> Any:
    given_answers = [label for score, label in zip(p, y, strict=True) if score >= threshold]
    return 1 - sum(given_answers) / len(given_answers)


@given(data=st.lists(st.tuples(st.integers(0, 6).map(lambda k: k / 6), st.booleans()), min_size=1, max_size=30))
def test_risk_coverage_agrees_with_thresholding(data: list[tuple[Any, bool]]) -> None:
    p, y = zip(*data, strict=True)
    curve = risk_coverage(p, y)
    assert curve.threshold.tolist() == sorted(set(p), reverse=True)
    assert curve.coverage == pytest.approx([np.mean(np.array(p) >= t) for t in curve.threshold])
    assert curve.risk == pytest.approx([risk_at(p, y, t) for t in curve.threshold], abs=1e-14)
    assert curve.aurc == pytest.approx(np.mean([risk_at(p, y, t) for t in p]), abs=1e-13)


def test_risk_coverage_by_hand() -> None:
    curve = risk_coverage([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 1])
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert curve.risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    assert curve.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_equal_confidences_are_answered_together() -> None:
    curve = risk_coverage([0.5, 0.5, 0.5, 0.5], [1, 0, 1, 1])
    assert curve.coverage.tolist() == [1]
    assert curve.risk.tolist() == [0.25]
    assert curve.aurc == 0.25


def mean_over_orders(p: Any, y: Any, measure: Any) -> float:
    """The mean of a statistic of labels, surest first, over all orders that confidences allow."""
    found = []
    for order in permutations(range(len(p))):
        if all(p[a] >= p[b] for a, b in pairwise(order)):
            found.append(measure([int(y[row]) for row in order]))
    return math.nan if any(value is None for value in found) else float(sum(found) / len(found))


def rejection_ratio(labels: list[int], most: Fraction) -> Fraction | None:
    """As lm-polygraph: mean accuracy over what is kept, scaled between chance and the best order."""
    n, n_rejected = len(labels), int(most * len(labels))
    if n_rejected < 2 or sum(labels) in (0, n):
        return None

    def area(ordered: list[int]) -> Fraction:
        kept = range(n - n_rejected + 1, n + 1)
        return sum((Fraction(sum(ordered[:k]), k) for k in kept), Fraction()) / n_rejected

    chance = Fraction(sum(labels), n)
    return (area(labels) - chance) / (area(sorted(labels, reverse=True)) - chance)


def accuracy_at(labels: list[int], coverage: Fraction) -> Fraction:
    k = math.ceil(coverage * len(labels))
    return Fraction(sum(labels[:k]), k)


@given(data=few)
def test_ratios_and_accuracies_are_means_over_the_orders_of_ties(data: list[tuple[Any, bool]]) -> None:
    p, y = zip(*data, strict=True)
    found = evaluate(p, y)
    for name, most in (("prr", Fraction(1)), ("prr50", Fraction(1, 2))):
        wanted = mean_over_orders(p, y, lambda labels, most=most: rejection_ratio(labels, most))
        assert found[name] == pytest.approx(wanted, abs=1e-9, nan_ok=True)
    for percent in (50, 80, 90):
        wanted = mean_over_orders(p, y, lambda labels, percent=percent: accuracy_at(labels, Fraction(percent, 100)))
        assert found[f"acc_at_{percent}"] == pytest.approx(wanted, abs=1e-12)


@given(data=tied)
def test_what_thresholds_tell_agrees_with_trying_them_all(data: list[tuple[Any, bool]]) -> None:
    p, y = zip(*data, strict=True)
    found, curve, n = evaluate(p, y), risk_coverage(p, y), len(data)
    assert found["aurc"] == curve.aurc
    best = sum((k - sum(y)) / k for k in range(sum(y) + 1, n + 1)) / n
    assert found["e_aurc"] == pytest.approx(curve.aurc - best, abs=1e-12)
    assert found["e_aurc"] > -1e-12
    for percent in (5, 10, 20):
        wanted = max((sum(q >= t for q in p) / n for t in p if risk_at(p, y, t) <= percent / 100 + 1e-12), default=0)
        assert found[f"cov_at_{percent}"] == pytest.approx(wanted, abs=1e-12)


@given(data=tied)
def test_false_positives_against_sklearn(data: list[tuple[Any, bool]]) -> None:
    p, y = zip(*data, strict=True)
    found = evaluate(p, y)["fpr95"]
    if len(set(y)) < 2:
        assert math.isnan(found)
    else:
        false, true, _ = roc_curve(y, p, drop_intermediate=False)
        assert found == pytest.approx(false[true >= 0.95 - 1e-12].min(), abs=1e-12)


@given(data=st.lists(st.tuples(st.sampled_from([0.0, 1.0]) | st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_log_loss_against_sklearn(data: list[tuple[Any, bool]]) -> None:
    p, y = zip(*data, strict=True)
    assert evaluate(p, y)["log_loss"] == pytest.approx(log_loss(y, p, labels=[False, True]), rel=1e-9, abs=1e-12)


def test_larger_samples_against_loops_without_ties() -> None:
    rng = np.random.default_rng(6)
    p = rng.permutation(400) / 400
    y = rng.random(400) < p
    labels = [int(y[row]) for row in np.argsort(-p)]
    found = evaluate(p, y)
    for name, most in (("prr", Fraction(1)), ("prr50", Fraction(1, 2))):
        wanted = rejection_ratio(labels, most)
        assert wanted is not None
        assert found[name] == pytest.approx(float(wanted), abs=1e-12)
    assert found["acc_at_80"] == np.mean(labels[:320])


def test_a_perfect_order_and_its_opposite() -> None:
    y = [1] * 30 + [0] * 20
    best, worst = evaluate(np.linspace(0.9, 0.1, 50), y), evaluate(np.linspace(0.1, 0.9, 50), y)
    assert [best[name] for name in ("prr", "prr50", "fpr95")] == pytest.approx([1, 1, 0], abs=1e-12)
    assert best["e_aurc"] == pytest.approx(0, abs=1e-12)
    assert [best[f"acc_at_{percent}"] for percent in (50, 80, 90)] == pytest.approx([1, 30 / 40, 30 / 45])
    assert [best[f"cov_at_{percent}"] for percent in (5, 10, 20)] == [31 / 50, 33 / 50, 37 / 50]
    assert worst["prr"] < worst["prr50"] < 0
    assert worst["fpr95"] == 1
    assert [worst[f"cov_at_{percent}"] for percent in (5, 10, 20)] == [0, 0, 0]


def test_a_constant_confidence_is_chance() -> None:
    found = evaluate([0.3] * 10, [1] * 7 + [0] * 3)
    assert [found["prr"], found["prr50"]] == pytest.approx([0, 0], abs=1e-12)
    assert [found[f"acc_at_{percent}"] for percent in (50, 80, 90)] == pytest.approx([0.7] * 3)
    assert [found["aurc"], found["fpr95"], found["cov_at_20"]] == pytest.approx([0.3, 1, 0])


@given(data=tied)
def test_monotone_changes_leave_what_ranks_tell_alone(data: list[tuple[Any, bool]]) -> None:
    p, y = zip(*data, strict=True)
    before, after = evaluate(p, y), evaluate([0.2 + value**3 / 2 for value in p], y)
    for name in OF_RANKS:
        assert after[name] == before[name] or (math.isnan(before[name]) and math.isnan(after[name]))


def test_counts_that_are_kept_belong_to_their_own_arrays() -> None:
    rng = np.random.default_rng(8)
    p, y = rng.random(40), rng.random(40) < 0.5
    first = dict(evaluate(p, y))
    assert dict(evaluate(p, ~y)) != first
    assert dict(evaluate(p[::-1], y[::-1])) == first
    p[:] = 0.5
    assert evaluate(p, y)["prr"] == pytest.approx(0, abs=1e-12)
