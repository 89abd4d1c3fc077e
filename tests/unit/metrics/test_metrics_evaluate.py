import dataclasses
import doctest
import math
import random
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from ccps.metrics import CONTEST, CONVENTIONS, METRICS, evaluate, risk_coverage
from ccps.metrics.evaluate import metric_table

values = st.sampled_from([0.0, 0.1, 0.5, 0.6, 0.95, 1.0]) | st.floats(0, 1)
grouped = st.lists(st.tuples(values, st.booleans(), st.sampled_from("abc")), min_size=1, max_size=30)
conventions = st.sampled_from(list(CONVENTIONS))


def bits(result: Any) -> list[Any]:
    return [value.hex() for value in result.values()] + [result.undefined, result.ece_dropped]


@given(data=grouped, name=conventions, shuffle=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_bit(data: list[tuple[Any, bool, str]], name: Any, shuffle: random.Random) -> None:
    shuffled = list(data)
    shuffle.shuffle(shuffled)
    (p, y, g), (p2, y2, g2) = (list(zip(*rows, strict=True)) for rows in (data, shuffled))
    assert bits(evaluate(p, y, name)) == bits(evaluate(p2, y2, name))
    assert bits(evaluate(p, y, name, groups=g)) == bits(evaluate(p2, y2, name, groups=g2))
    assert risk_coverage(p, y).aurc == risk_coverage(p2, y2).aurc


def test_the_names_of_groups_change_no_bit() -> None:
    rng = np.random.default_rng(1)
    p, g = rng.random(600), rng.integers(40, size=600)
    y = rng.random(600) < p
    renamed = rng.permutation(40)[g]
    assert bits(evaluate(p, y, groups=g)) == bits(evaluate(p, y, groups=renamed))


def test_brier_and_acc_against_their_definitions() -> None:
    rng = np.random.default_rng(2)
    p = rng.random(300)
    y = rng.random(300) < p
    for name in CONVENTIONS:
        assert evaluate(p, y, name).brier == pytest.approx(brier_score_loss(y, p), abs=1e-15)
        assert evaluate(p, y, name).acc == pytest.approx(np.mean(np.argmax([1 - p, p], axis=0) == y), abs=1e-15)


def test_conventions_change_the_ece_only() -> None:
    rng = np.random.default_rng(4)
    p = np.concatenate([rng.random(50), [0.0, 0.3, 0.6, 1.0, 1.0]])
    y = rng.random(55) < p**2
    results = [evaluate(p, y, name) for name in CONVENTIONS]
    assert len({result.ece for result in results}) == len(results)
    assert len({(result.brier, result.acc, result.aucpr, result.auroc) for result in results}) == 1


def test_groups_give_the_unweighted_mean_over_groups() -> None:
    rng = np.random.default_rng(5)
    p, g = rng.random(90), np.repeat(["art", "law", "zoo"], [10, 20, 60])
    y = rng.random(90) < p
    result = evaluate(p, y, groups=g)
    singles = [evaluate(p[g == name], y[g == name]) for name in ("art", "law", "zoo")]
    for metric in METRICS:
        assert result[metric] == pytest.approx(np.mean([single[metric] for single in singles]), abs=1e-15)
        assert result[metric] != evaluate(p, y)[metric]
    assert (result.n, result.n_groups) == (90, 3)


# In three groups: two of one class each, of which one has no right answer; none has two answers among its half.
UNDEFINED = dict.fromkeys(METRICS, 0) | {"aucpr": 1, "auroc": 2, "prr": 2, "prr50": 3, "fpr95": 2}
ONE_CLASS = ([0.9, 0.2, 0.7, 0.3, 0.4], [1, 0, 1, 0, 0], ["a", "a", "b", "c", "c"])


def test_a_group_without_both_classes_is_left_out_and_counted() -> None:
    result = evaluate(*ONE_CLASS[:2], groups=ONE_CLASS[2])
    assert result.undefined == UNDEFINED
    assert result.auroc == 1.0
    assert result.aucpr == 1.0  # a: perfect, b: all correct, c: undefined
    assert result.acc == 1.0
    assert result.ece == pytest.approx((0.15 + 0.3 + 0.35) / 3)


def test_propagate_makes_the_whole_undefined() -> None:
    result = evaluate(*ONE_CLASS[:2], groups=ONE_CLASS[2], nan_groups="propagate")
    assert [metric for metric in METRICS if math.isnan(result[metric])] == ["aucpr", "auroc", "prr", "prr50", "fpr95"]
    assert result.undefined == UNDEFINED
    assert result.ece == evaluate(*ONE_CLASS[:2], groups=ONE_CLASS[2]).ece


@pytest.mark.parametrize("groups", [None, ["a", "b", "a"]])
def test_one_class_everywhere_is_undefined_without_a_warning(groups: list[str] | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrong = evaluate([0.2, 0.7, 1.0], [0, 0, 0], groups=groups)
        right = evaluate([0.2, 0.7, 1.0], [1, 1, 1], groups=groups)
    assert math.isnan(wrong.auroc)
    assert math.isnan(wrong.aucpr)
    assert math.isnan(right.auroc)
    assert right.aucpr == 1.0
    assert wrong.undefined["aucpr"] == wrong.n_groups
    nowhere = {"auroc", "prr", "prr50", "fpr95"}
    assert right.undefined == {metric: right.n_groups if metric in nowhere else 0 for metric in METRICS}


def test_the_result_is_a_frozen_mapping() -> None:
    result = evaluate([0.9, 0.2], [1, 0])
    assert list(result) == list(METRICS)
    assert list(CONTEST) == ["ece", "brier", "acc", "aucpr", "auroc"]
    ranked = ["aurc", "e_aurc", "prr", "prr50", "fpr95", "acc_at_50", "acc_at_80", "acc_at_90"]
    assert list(result)[5:] == ["log_loss", *ranked, "cov_at_5", "cov_at_10", "cov_at_20"]
    assert dict(result) == {metric: getattr(result, metric) for metric in METRICS}
    assert result == dict(result)
    assert (result.n, result.n_groups, result.convention.name) == (2, 1, "ct")
    with pytest.raises(KeyError):
        result["n"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.ece = 0.0  # type: ignore[attr-defined]


@given(
    data=st.lists(st.tuples(values, st.booleans(), st.integers(0, 3)), min_size=1, max_size=20),
    name=conventions,
)
def test_a_weight_is_a_number_of_copies(data: list[tuple[Any, bool, int]], name: Any) -> None:
    copies = [(p, y) for p, y, weight in data for _ in range(weight)]
    if not copies:
        return
    p, y, weights = (np.array(column, dtype=float) for column in zip(*data, strict=True))
    both = metric_table(p, y, np.stack([np.ones_like(weights), weights]), CONVENTIONS[name])
    assert both[0] == pytest.approx(list(evaluate(p, y, name).values()), abs=1e-12, nan_ok=True)
    q, z = zip(*copies, strict=True)
    copied = evaluate(q, z, name)
    assert both[1] == pytest.approx(list(copied.values()), abs=1e-12, nan_ok=True)


def test_the_example_in_the_docstring() -> None:
    # The package exports a function of the module's name, so the module is taken from where imports keep it.
    outcome = doctest.testmod(sys.modules[evaluate.__module__])
    assert outcome.attempted > 0
    assert outcome.failed == 0
