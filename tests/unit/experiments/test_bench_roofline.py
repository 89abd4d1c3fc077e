"""The part that a plan goes by: shares of a peak from times and counts."""

import pytest

from ccps.plan.work import Part, Work
from experiments.benchmarks.roofline import roofline_figures


def test_a_share_is_the_time_at_the_peak_over_the_time_taken() -> None:
    """Peaks of 100 operations and 10 bytes a second; a layer and the vocabulary are what a part leaves of a whole."""
    seconds = {
        "own": [1.0],
        "float32": [2.0],
        "copies": [1.0],
        "read": [4.0],
        "one": [1.0],
        "all": [6.0],
        "head": [8.0],
        "features": [13.0],
        "sweep": [28.0],
    }
    work = {
        "read": Work((Part("read", "bfloat16", 200, 0),)),
        "head": Work((Part("head", "float32", 200, 0),)),
        "vocabulary": Work((Part("vocabulary", "float32", 0, 10),)),
        "sweep": Work((Part("sweep", "float32", 0, 50),)),
    }
    figures = roofline_figures("m", "bfloat16", seconds, {"own": 100.0, "float32": 100.0, "copies": 10.0}, work, 20)
    assert (figures[3].what, figures[3].value) == ("A layer of one token", 250)
    shares = {figure.what.removeprefix("Share of the peak, "): figure.value for figure in figures[4:]}
    # 2 of 4 seconds, 200 operations at 50 a second of 8, 1 of 13 − 8, 5 of 28 − 8.
    assert shares == pytest.approx({"read": 50, "head": 50, "vocabulary": 20, "sweep": 25})
