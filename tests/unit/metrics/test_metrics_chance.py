from math import comb

import pytest

from ccps.metrics.chance import guessing_rate, p_of_guessing


def test_guessing_is_the_better_of_drawing_an_option_and_always_saying_the_same() -> None:
    assert guessing_rate([4, 4, 4, 4], [["a"], ["b"], ["c"], ["d"]]) == 0.25
    assert guessing_rate([2, 4, 4], [["a"], ["b"], ["c"]]) == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3)
    assert guessing_rate([2, 2, 2], [["b"], ["b"], ["a"]]) == pytest.approx(2 / 3)
    assert guessing_rate([0, 0, 0, 0], [["ten", "10"], ["10"], ["two"], ["red"]]) == 0.5
    assert guessing_rate([4, 4], [["a", "a"], ["b"]]) == 0.5


def test_the_test_is_the_sum_of_the_binomial_law() -> None:
    for right, n, rate in ((0, 5, 0.25), (3, 5, 0.25), (40, 100, 0.3), (5, 5, 1.0)):
        tail = sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(right, n + 1))
        assert p_of_guessing(right, n, rate) == pytest.approx(tail, rel=1e-9)
