import math
from typing import Any

import numpy as np
import pytest

from ccps.asking.options import OptionScores
from ccps.methods import Evidence, Method, find_method
from ccps.perturbation import FEATURE_NAMES

P = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0], [0.1, 0.3, 0.6], [1 / 3, 1 / 3, 1 / 3], [0.0, 1.0, 0.0]])


def evidence(**needs: Any) -> Evidence:
    return Evidence(np.zeros((5, len(FEATURE_NAMES)), np.float32), np.ones(5, np.int64), 100, needs=needs)


@pytest.fixture
def scores() -> OptionScores:
    logs = np.log(P, out=np.full_like(P, -np.inf), where=P > 0)
    return OptionScores(logs, np.array([0, 1, 1, -1, 1]))


def p_correct(name: str, known: Evidence) -> list[float]:
    method = find_method(name)
    assert isinstance(method, Method)
    assert method.formats == {"mc"}
    found: list[float] = method.p_correct(known).tolist()
    return found


def test_the_probability_of_the_chosen_option(scores: OptionScores) -> None:
    assert p_correct("option_probability", evidence(option_scores=scores)) == pytest.approx([0.7, 0.5, 0.3, 0.0, 1.0])


def test_entropy_is_of_as_many_options_as_there_are(scores: OptionScores) -> None:
    found = p_correct("option_entropy", evidence(option_scores=scores))
    first = 1 + (0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1)) / math.log(3)
    # The second question has two options, both as likely; the last has one that is certain.
    third = 1 + (0.1 * math.log(0.1) + 0.3 * math.log(0.3) + 0.6 * math.log(0.6)) / math.log(3)
    assert found == pytest.approx([first, 0.0, third, 0.0, 1.0], abs=1e-12)


def test_the_margin_is_to_the_best_other_option(scores: OptionScores) -> None:
    found = p_correct("option_margin", evidence(option_scores=scores))
    assert found == pytest.approx([0.75, 0.5, 0.35, 1 / 3, 1.0])


def test_the_radius_is_mapped_in_order() -> None:
    radii = np.array([0.0, 3.0, np.inf, np.nan, 0.5])
    assert p_correct("option_radius", evidence(option_radii=radii)) == pytest.approx([0.0, 0.75, 1.0, 0.0, 1 / 3])


def test_some_of_the_answers(scores: OptionScores) -> None:
    known = evidence(option_scores=scores).select(np.array([2, 0]))
    assert p_correct("option_probability", known) == pytest.approx([0.3, 0.7])
