from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ccps.metrics.resampling import percentile_ends
from ccps.probes.resampled import auroc, resampled_auroc, why_undefined


def scores(answers: Any, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    correct = rng.integers(2, size=answers).astype(bool)
    # Two decimals, so that there are ties.
    return np.round(rng.uniform(size=(2, answers)), 2), correct


def test_auroc_is_that_of_scikit_learn() -> None:
    p, correct = scores(60)
    np.testing.assert_allclose(auroc(p, correct), [roc_auc_score(correct, row) for row in p], rtol=1e-12)


def test_resamples_are_auroc_of_drawn_answers_the_same_for_all_rows() -> None:
    p, correct = scores(40)
    found = resampled_auroc(np.stack([p[0], p[1], p[0]]), correct, resamples=50, seed=3)
    np.testing.assert_array_equal(found[0], found[2])
    times = np.random.default_rng(3).multinomial(40, np.full(40, 1 / 40), size=50)
    wanted = [[roc_auc_score(np.repeat(correct, drawn), np.repeat(row, drawn)) for drawn in times] for row in p]
    np.testing.assert_allclose(found[:2], wanted, rtol=1e-12)


def test_a_resample_of_one_class_is_undefined_and_left_out_of_the_interval() -> None:
    found = resampled_auroc(np.array([[0.2, 0.8]]), [False, True], resamples=200, seed=0)[0]
    assert set(found[~np.isnan(found)]) == {1.0}
    assert np.isnan(found).mean() == pytest.approx(0.5, abs=0.15)
    assert percentile_ends(found, 0.95) == (1.0, 1.0)
    assert np.isnan(percentile_ends(np.array([np.nan]), 0.95)).all()


def test_no_resamples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        resampled_auroc(*scores(5), resamples=0, seed=0)


@pytest.mark.parametrize(
    ("correct", "reason"),
    [
        ([], "no answers"),
        ([True, True], "all 2 answers are right"),
        ([0, 0, 0], "all 3 answers are wrong"),
        ([1, 0], None),
    ],
)
def test_why_there_is_no_auroc(correct: list[Any], reason: str | None) -> None:
    assert why_undefined(correct) == reason
