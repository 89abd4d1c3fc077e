import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from ccps.metrics.shares import share_interval


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_of_answers_that_each_are_a_cluster_it_is_the_exact_binomial_interval(hits: list[bool]) -> None:
    exact = binomtest(sum(hits), len(hits)).proportion_ci(method="exact")
    found = share_interval(hits, range(len(hits)))
    assert found == pytest.approx((sum(hits) / len(hits), exact.low, exact.high), abs=1e-9)


def test_where_all_agree_it_is_exact_whatever_the_clusters() -> None:
    exact = binomtest(3, 3).proportion_ci(method="exact")
    assert share_interval([True] * 3, ["a", "a", "b"]) == pytest.approx((1.0, exact.low, 1.0))
    assert all(math.isnan(part) for part in share_interval([], []))


def test_clusters_that_are_all_right_or_all_wrong_count_as_one_answer_each() -> None:
    """Sixteen clusters of five: the variance between them is that of sixteen answers, by hand.

    var = 16/15 · Σ z², z = ±5/2 / 80, against 1/4 / 79 alone; the design effect is their ratio, 79/15, so that
    80 answers count as 80 · 15/79, times the square of the ratio of Student's quantiles at 79 and 15 degrees.
    """
    hits, clusters = np.repeat([True, False] * 8, 5), np.repeat(np.arange(16), 5)
    worth = 80 * 15 / 79 * (t.ppf(0.975, 79) / t.ppf(0.975, 15)) ** 2
    found = share_interval(hits, clusters)
    assert worth == pytest.approx(13.24, abs=0.01)
    # Of so many independent answers, half of them right: between the exact intervals of 6 of 12 and of 7 of 14.
    wider, narrower = (binomtest(n // 2, n).proportion_ci(method="exact") for n in (12, 14))
    assert wider.low < found.low < narrower.low
    assert narrower.high < found.high < wider.high


def test_it_holds_as_often_as_it_says_where_subjects_differ() -> None:
    """Shares of the subjects drawn from Beta(2, 2), so half of all on average; an exact binomial interval would hold
    in about 80 % of the cases.
    """
    rng, subjects = np.random.default_rng(5), np.repeat(np.arange(30), 10)
    held = 0
    for _ in range(400):
        found = share_interval(rng.random(300) < rng.beta(2, 2, 30)[subjects], subjects)
        held += found.low <= 0.5 <= found.high
    # Three standard errors of a share of 0.95 among 400.
    assert held / 400 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)


def test_a_level_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected `level` to lie between 0 and 1, but got 95"):
        share_interval([True], [0], level=95)
