import pandas as pd
import pytest
from faithful_cells import NAN, cell

from ccps.analysis.faithful_data import DROPPED_COLUMNS
from ccps.analysis.faithful_scores import OF_ANSWERS, OF_SCORES, OF_SUPPORT, lost, standing
from ccps.analysis.records import Estimate


@pytest.mark.parametrize(
    ("excess", "words"),
    [
        (Estimate(0.03, 0.01, 0.05), "above"),
        (Estimate(-0.03, -0.05, -0.01), "below"),
        (Estimate(0.03, -0.01, 0.07), "not told apart from"),
        (Estimate(0.03, 0.0, 0.07), "not told apart from"),
        (Estimate(0.03, NAN, NAN), "not told apart, for want of an interval, from"),
        (Estimate(), "not compared with"),
        (Estimate(0.03, 0.01, 0.05, 20), "above"),
        (Estimate(0.03, 0.01, 0.05, 19), "not told apart, from too few traces, from"),
        (Estimate(0.5, 0.5, 0.5, 400), "not told apart, as every resample gives one value, from"),
    ],
)
def test_standing_follows_the_interval_of_the_excess(excess: Estimate, words: str) -> None:
    assert standing(excess) == words


def test_what_was_left_out_is_told_where_it_bears_on_a_table() -> None:
    rows = [
        ("traces in accuracy", "no mark", 3),
        ("traces in rcc", "no states", 2),
        ("spearman_within rcc", "short", 1),
    ]
    own = cell(dropped=pd.DataFrame(rows, columns=list(DROPPED_COLUMNS)))
    assert [(row.what, row.n) for row in lost(own, OF_ANSWERS)] == [("traces in accuracy", 3)]
    assert [row.why for row in lost(own, OF_SCORES)] == ["no states"]
    assert [row.why for row in lost(own, OF_SUPPORT)] == ["no states", "short"]
