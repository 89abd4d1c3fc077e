from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from ccps.metrics import evaluate

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
