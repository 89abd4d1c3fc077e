import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from ccps.analysis.reliability import by_truth, flat_words, reliability

ROWS = pd.DataFrame({"p_correct": [0.95, 0.92, 0.98, 0.91, 0.15], "correct": [True, True, False, True, False]})


def test_only_bins_with_an_answer_are_drawn_with_wilson_intervals() -> None:
    found = reliability(ROWS)
    assert found.stated == pytest.approx([0.15, 0.94])
    assert found.right == pytest.approx([0.0, 0.75])
    wanted = binomtest(3, 4).proportion_ci(method="wilson")
    assert (found.low[1], found.high[1]) == pytest.approx((wanted.low, wanted.high))
    assert found.ece == pytest.approx(0.2 * 0.15 + 0.8 * 0.19)
    assert 0 < found.noise < 1


def test_confidence_is_told_apart_by_what_came_of_it() -> None:
    right, wrong = by_truth(ROWS)
    assert right.correct
    assert right.median == pytest.approx(0.92)
    assert (wrong.correct, wrong.values.tolist()) == (False, [0.98, 0.15])
    assert np.isnan(by_truth(ROWS[ROWS["correct"]])[1].median)


def test_confidence_that_hardly_varies_is_said_in_words() -> None:
    assert reliability(ROWS).flat == ""
    assert flat_words(np.array([0.612, 0.634, 0.62])) == "P hardly varies: 61.2–63.4 %"
    assert flat_words(np.array([0.6, 0.6])) == "P hardly varies: 60.0 %"
