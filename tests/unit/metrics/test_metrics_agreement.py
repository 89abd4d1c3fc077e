import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from ccps.metrics import agreement

verdicts = st.sampled_from([True, False, None])


def table(both_right: int, only_first: int, only_second: int, both_wrong: int) -> tuple[list[bool], list[bool]]:
    first = [True] * (both_right + only_first) + [False] * (only_second + both_wrong)
    second = [True] * both_right + [False] * only_first + [True] * only_second + [False] * both_wrong
    return first, second


def test_a_table_by_hand() -> None:
    found = agreement(*table(20, 5, 10, 15))
    assert found[:7] == (50, 0, 0, 20, 5, 10, 15)
    # Same 35/50 = 0.7; by chance 0.5·0.6 + 0.5·0.4 = 0.5; (0.7 − 0.5)/(1 − 0.5).
    assert found.agreement == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.note == ""


@given(st.lists(st.tuples(verdicts, verdicts), min_size=1, max_size=60))
def test_against_scikit_learn(pairs: list[tuple[bool | None, bool | None]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    known = [(a, b) for a, b in pairs if None not in (a, b)]
    found = agreement(first, second)
    assert found.n == len(known)
    assert (found.unknown_first, found.unknown_second) == (first.count(None), second.count(None))
    assert found.both_right + found.only_first + found.only_second + found.both_wrong == found.n
    assume(len({verdict for pair in known for verdict in pair}) == 2)
    assert found.kappa == pytest.approx(cohen_kappa_score(*zip(*known, strict=True)))
    assert found.agreement == pytest.approx(np.mean([a == b for a, b in known]))
    assert -1 <= found.kappa_low <= found.kappa <= found.kappa_high <= 1


@pytest.mark.parametrize("cells", [(20, 5, 10, 15), (60, 7, 3, 30), (5, 20, 20, 5), (90, 4, 5, 1)])
def test_standard_error_against_the_delta_method(cells: tuple[int, int, int, int]) -> None:
    """The variance of κ over multinomial tables, from its numerical gradient in the four shares."""
    n, shares = sum(cells), np.array(cells) / sum(cells)

    def kappa(p: Any) -> Any:
        chance = (p[0] + p[1]) * (p[0] + p[2]) + (p[2] + p[3]) * (p[1] + p[3])
        return (p[0] + p[3] - chance) / (1 - chance)

    gradient = np.array([(kappa(shares + step) - kappa(shares - step)) / 2e-6 for step in np.eye(4) * 1e-6])
    error = math.sqrt(gradient @ (np.diag(shares) - np.outer(shares, shares)) @ gradient / n)
    found = agreement(*table(*cells))
    assert found.kappa - found.kappa_low == pytest.approx(1.959964 * error, rel=1e-4)
    assert found.kappa_high - found.kappa == pytest.approx(1.959964 * error, rel=1e-4)


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.1, 0.1, 0.3])
    true = (0.8 - (0.36 + 0.16)) / (1 - (0.36 + 0.16))
    found = [agreement(*table(*rng.multinomial(200, shares)), level=0.9) for _ in range(400)]
    covered = np.mean([one.kappa_low <= true <= one.kappa_high for one in found])
    assert 0.85 < covered < 0.95


@pytest.mark.parametrize(
    ("cells", "word"), [((0, 0, 0, 0), "no answer"), ((9, 0, 0, 0), "undefined"), ((0, 0, 0, 9), "undefined")]
)
def test_undefined_says_why(cells: tuple[int, int, int, int], word: str) -> None:
    found = agreement(*table(*cells))
    assert math.isnan(found.kappa)
    assert math.isnan(found.kappa_low)
    assert math.isnan(found.kappa_high)
    assert word in found.note
    assert math.isnan(found.agreement) == (sum(cells) == 0)


def test_perfect_agreement_has_a_point_for_an_interval_and_says_so() -> None:
    found = agreement(*table(3, 0, 0, 4))
    assert found[7:11] == (1, 1, 1, 1)
    assert "no two verdicts differ" in found.note


def test_one_grader_that_never_varies_agrees_by_chance_alone() -> None:
    assert agreement(*table(5, 3, 0, 0)).kappa == 0


@pytest.mark.parametrize(
    ("first", "second", "level", "match"),
    [
        ([True], [], 0.95, "one length"),
        ([1], [True], 0.95, "`first`"),
        ([True], ["no"], 0.95, "`second`"),
        ([], [], 1.0, "`level`"),
    ],
)
def test_bad_input(first: list[Any], second: list[Any], level: float, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        agreement(first, second, level)
