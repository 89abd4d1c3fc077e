from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from ccps.metrics import evaluate, risk_coverage

tied = st.lists(st.tuples(st.integers(0, 6).map(lambda k: k / 6), st.booleans()), min_size=2, max_size=30).filter(
    lambda data: len({y for _, y in data}) == 2
)


@given(data=tied)
def test_against_sklearn_with_ties(data: list[tuple[Any, bool]]) -> None:
    p, y = zip(*data, strict=True)
    result = evaluate(p, y)
    assert result.auroc == pytest.approx(roc_auc_score(y, p), abs=1e-14)
    assert result.aucpr == pytest.approx(average_precision_score(y, p), abs=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_against_sklearn_without_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random(500)
    y = rng.random(500) < p
    assert evaluate(p, y).auroc == pytest.approx(roc_auc_score(y, p), abs=1e-14)
    assert evaluate(p, y).aucpr == pytest.approx(average_precision_score(y, p), abs=1e-13)


def test_auroc_of_constant_confidence_is_one_half() -> None:
    assert evaluate([0.3] * 5, [1, 0, 0, 1, 0]).auroc == 0.5


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
