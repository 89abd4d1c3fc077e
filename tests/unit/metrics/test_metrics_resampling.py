import numpy as np
import pytest

from ccps.metrics.resampling import (
    clustered_bootstrap,
    counted,
    drawn_counts,
    drawn_places,
    percentile_ends,
)


def test_places_and_counts_are_draws_with_replacement() -> None:
    places = drawn_places(np.random.default_rng(0), 4000, 3)
    counts = drawn_counts(np.random.default_rng(0), 4000, 3)
    for times in (counted(places), counts):
        assert times.shape == (4000, 3)
        assert set(times.sum(axis=1)) == {3.0}
        # One unit of three is missing with probability (2/3)³ = 8/27.
        assert (times == 0).mean() == pytest.approx(8 / 27, abs=0.02)
    assert counted(np.array([[2, 2, 0], [1, 1, 1]])).tolist() == [[1, 0, 2], [0, 3, 0]]


def test_ends_hold_the_middle_of_what_is_defined() -> None:
    values = np.append(np.arange(101.0), [np.nan] * 7)
    assert percentile_ends(values, 0.9) == pytest.approx((5.0, 95.0))
    assert np.isnan(percentile_ends(np.array([np.nan]), 0.95)).all()


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_that_is_none_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile_ends(np.arange(3.0), level)


def test_whole_groups_are_drawn_as_a_loop_would() -> None:
    values, groups = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), ["b", "a", "b", "c", "a"]
    found = clustered_bootstrap(lambda rows: float(values[rows].sum()), groups, seed=7, n_resamples=30, level=0.8)
    rng, sums = np.random.default_rng(7), []
    for draw in rng.integers(3, size=(30, 3)):
        sums.append(sum({0: 2.0 + 16.0, 1: 1.0 + 4.0, 2: 8.0}[int(group)] for group in draw))
    assert found == pytest.approx((31.0, *np.quantile(sums, [0.1, 0.9]), 0), abs=1e-12)


def test_one_group_has_no_spread() -> None:
    found = clustered_bootstrap(lambda rows: float(len(rows)), ["a", "a"], seed=0, n_resamples=5)
    assert found == (2.0, 2.0, 2.0, 0)
