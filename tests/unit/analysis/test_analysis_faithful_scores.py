import pytest
from faithful_cells import NAN

from ccps.analysis.faithful_scores import standing
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
