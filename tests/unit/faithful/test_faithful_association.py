import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from ccps.faithful import correlations, signed_gap, spearman, spearman_within


def test_gaps() -> None:
    gap = signed_gap([1.0, 0.5, 0.3, 0.51, None], [0.6, 0.9, 0.3, 0.5, 0.2])  # type: ignore[arg-type]
    assert gap.mean == pytest.approx((0.4 - 0.4 + 0 + 0.01) / 4)
    assert gap[1:] == (0.25, 0.25, 0.5, 4)
    assert math.isnan(signed_gap([], []).mean)


def test_spearman_is_scipys_with_ties() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 6, 80) / 5, rng.integers(0, 4, 80) / 3
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert spearman([*x, np.nan, 1], [*y, 1, np.nan]) == pytest.approx(spearman(x, y))
    assert spearman([*x, None, 1], [*y, 1, None]) == spearman(x, y)
    assert spearman(np.rint(5 * x).astype(np.int8), np.rint(3 * y).astype(np.uint8)) == pytest.approx(spearman(x, y))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([0.1, 0.2], [0.1, 0.2]),
        ([0.1, 0.2, 0.3], [0.5] * 3),
        ([0.1, 0.2, 0.3, np.nan], [np.nan, 0.1, 0.2, 0.3]),
        ([], []),
    ],
)
def test_undefined_correlations(x: list[Any], y: list[Any]) -> None:
    assert math.isnan(spearman(x, y))


def test_within_traces() -> None:
    d = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.1, 0.5, 0.9, 0.2], [0.5], [0.4, 0.4, 0.4]]
    c = [[0.4, 0.5, 0.6], [0.4, 0.5, 0.6], [0.1, 0.3, 0.4, 0.2], [0.5], [0.1, 0.2, 0.3]]
    within = spearman_within(d, c)
    assert within.mean == pytest.approx((1 - 1 + 1) / 3)
    assert (within.n, within.undefined) == (3, 2)
    assert math.isnan(spearman_within([], []).mean)


def test_across_traces_may_go_the_other_way() -> None:
    d = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]
    c = [[0.7, 0.8, 0.9], [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]]
    assert spearman_within(d, c).mean == pytest.approx(1)
    assert spearman([np.mean(x) for x in d], [np.mean(x) for x in c]) == pytest.approx(-1)


def test_the_matrix() -> None:
    rng = np.random.default_rng(1)
    scores = {"rcc": rng.uniform(size=30), "deepconf": rng.uniform(size=30), "flat": np.full(30, 0.5)}
    scores["rcc"][:4] = np.nan
    result = correlations(scores)
    assert result.names == ("rcc", "deepconf", "flat")
    expected = spearmanr(scores["rcc"][4:], scores["deepconf"][4:]).statistic
    assert result.rho[:2, :2] == pytest.approx(np.array([[1, expected], [expected, 1]]))
    assert np.isnan(result.rho[2]).all()
    assert result.n.tolist() == [[26, 26, 26], [26, 30, 30], [26, 30, 30]]


def test_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        spearman([0.1], [])
    with pytest.raises(ValueError, match="one length"):
        signed_gap([0.1], [])
