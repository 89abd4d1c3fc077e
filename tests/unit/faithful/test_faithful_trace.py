import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.faithful import Mode, TraceRule, score_trace, step_faithfulness, trace_confidence

NAN = math.nan
FRACTIONS = st.one_of(st.none(), st.floats(0, 1))


def test_steps() -> None:
    f = step_faithfulness([1, 0.5, NAN, 0.2], [0.4, 0.5, 0.9, None])  # type: ignore[arg-type]
    assert f == pytest.approx([0.4, 1.0, NAN, NAN], nan_ok=True)


def test_a_trace() -> None:
    score = score_trace([1.0, 0.2, 0.9, NAN], [0.6, 0.6, NAN, 0.3])
    assert score.decisiveness == pytest.approx(0.7)
    assert score.confidence == pytest.approx(0.5)
    assert score.faithfulness == pytest.approx(0.6)
    assert score.gap == pytest.approx(0.0, abs=1e-12)
    assert (score.n_steps, score.n_scored) == (4, 2)


@pytest.mark.parametrize("mode", ["strict", "parity"])
def test_the_mean_and_the_last_of_a_trace(mode: Mode) -> None:
    steps = [0.2, 0.8, NAN]
    assert trace_confidence(steps, mode=mode) == pytest.approx(0.5)
    assert trace_confidence(steps, TraceRule("last"), mode=mode) == 0.8


def test_a_trace_without_steps() -> None:
    score = score_trace([], [])
    assert all(math.isnan(value) for value in score[:4])
    assert score[4:] == (0, 0)
    released = score_trace([], [], TraceRule("last", 0.5), mode="parity")
    assert released.confidence == 0.5
    assert released.decisiveness == released.faithfulness == -1


def test_parity_joins_by_position_and_takes_minus_one_for_missing() -> None:
    # The step without tokens was dropped: what belongs to the third step meets the second.
    assert step_faithfulness([1.0, -1, 0.5], [0.5, 0.5], mode="parity") == pytest.approx([0.5, NAN, NAN], nan_ok=True)
    with pytest.raises(ValueError, match="to have one length, but got 3 and 2"):
        step_faithfulness([1.0, 1.0, 0.5], [0.5, 0.5])
    with pytest.raises(ValueError, match=r"`decisiveness` to lie in \[0, 1\], but got -1.0 in row 1"):
        step_faithfulness([1.0, -1, 0.5], [0.5, 0.5, 0.5])


@given(st.lists(st.tuples(FRACTIONS, FRACTIONS), max_size=8), st.sampled_from(["strict", "parity"]))
def test_faithfulness_obeys_jensen(pairs: list[tuple[Any, Any]], mode: Literal["strict", "parity"]) -> None:
    d, c = ([pair[side] for pair in pairs] for side in (0, 1))
    score = score_trace(d, c, mode=mode)
    both = [pair for pair in pairs if None not in pair]
    assert score.n_scored == len(both)
    if both:
        gaps = np.array([a - b for a, b in both])
        assert 0 <= score.faithfulness <= 1 - abs(gaps.mean()) + 1e-12
        assert score.gap == pytest.approx(gaps.mean())
        if (gaps >= 0).all():
            assert score.faithfulness == pytest.approx(1 - abs(gaps.mean()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trace_confidence([0.5], TraceRule("first")), "`reduction` to be one of"),  # type: ignore[arg-type]
        (lambda: trace_confidence([[0.5]]), "one-dimensional"),
        (lambda: trace_confidence(["a"]), "to hold numbers"),
        (lambda: trace_confidence([math.inf]), r"to lie in \[0, 1\]"),
        (lambda: score_trace([0.5], [0.5], mode="x"), "`mode` to be one of"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_refused(call: Callable[..., Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
