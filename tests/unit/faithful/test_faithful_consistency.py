import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from ccps.faithful import (
    consistency,
    first_paragraph,
    prefix_end,
    sampled_steps,
    sampling_confidence,
    segment,
    trace_confidence,
    trace_random,
    verdict_inconsistency,
)


def test_the_released_vector() -> None:
    steps = sampling_confidence([[0, 1], [0.5, 0], []])
    assert steps == pytest.approx([0.5, 0.75, math.nan], nan_ok=True)
    assert trace_confidence(steps) == 0.625


@pytest.mark.parametrize("agreeing", [0, 3, 10])
def test_the_interval_is_wilsons(agreeing: int) -> None:
    result = consistency([0.0] * agreeing + [1.0] * (10 - agreeing))
    expected = binomtest(agreeing, 10).proportion_ci(method="wilson")
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert result.confidence == pytest.approx(agreeing / 10)
    assert result.n == 10


@pytest.mark.parametrize("judged", [0.0, 1.0])
def test_no_rounding_takes_the_interval_beyond_a_probability(judged: float) -> None:
    for n in range(1, 400):
        result = consistency([judged] * n)
        assert 0 <= result.low < result.high <= 1
        assert (result.low if judged else result.high) == pytest.approx(1 - judged, abs=1e-12)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), max_size=12))
def test_missing_judgements_are_counted_and_left_out(values: Any) -> None:
    result = consistency(values)
    known = [value for value in values if value is not None]
    assert (result.n, result.missing) == (len(known), len(values) - len(known))
    if known:
        assert result.confidence == pytest.approx(1 - np.mean(known))
        assert 0 <= result.low <= result.confidence + 1e-12
        assert result.confidence - 1e-12 <= result.high <= 1
    else:
        assert math.isnan(result.confidence)


def test_prefixes() -> None:
    text = "S1 text.\n\nS2 text."
    steps = segment(text)
    assert [text[: prefix_end(steps, i)] for i in range(2)] == ["", "S1 text.\n\n"]
    opened = "<think>\nA\n\nB"
    steps = segment(opened)
    assert opened[: prefix_end(steps, 0)] == "<think>"
    assert prefix_end(steps, 0, mode="parity") == 0


def test_all_of_few_steps_are_sampled() -> None:
    assert sampled_steps(20, trace_random(1, "a")) == list(range(20))
    assert sampled_steps(0, trace_random(1, "a")) == []


@given(st.integers(21, 200), st.integers(2, 20))
def test_the_first_and_last_of_many_steps_are_sampled(n_steps: int, max_steps: int) -> None:
    steps = sampled_steps(n_steps, trace_random(0, "a"), max_steps)
    assert steps == sorted(set(steps))
    assert (len(steps), steps[0], steps[-1]) == (max_steps, 0, n_steps - 1)


def test_the_choice_depends_on_seed_and_trace_alone() -> None:
    def choice(seed: int, trace_id: Any) -> Any:
        return tuple(sampled_steps(60, trace_random(seed, trace_id)))

    assert choice(1, "a") == choice(1, "a")
    assert len({choice(1, "a"), choice(1, "b"), choice(2, "a")}) == 3


def test_the_released_choice() -> None:
    # One generator for all traces in turn, asked only where there are more steps than are sampled.
    source, reference = random.Random(42), random.Random(42)
    for n_steps in (30, 5, 45):
        chosen = sampled_steps(n_steps, source)
        if n_steps > 20:
            assert chosen[1:-1] == sorted(reference.sample(list(range(1, n_steps - 1)), 18))


def test_steps_are_chosen_evenly() -> None:
    counts = np.bincount([step for i in range(500) for step in sampled_steps(38, trace_random(0, str(i)))])
    assert counts[[0, -1]].tolist() == [500, 500]
    assert (np.abs(counts[1:-1] - 250) < 60).all()


@pytest.mark.parametrize(
    ("continuation", "strict", "parity"),
    [
        ("\n\nSo x.\n\nThen y.", "So x.", "So x."),
        ("So x.\n \nThen y.", "So x.", "So x.\n \nThen y."),
        ("So x.\r\n\r\nThen y.", "So x.", "So x.\r\n\r\nThen y."),
        ("So x.</think>\nThe answer", "So x.", "So x.</think>\nThe answer"),
        ("one\ntwo", "one\ntwo", "one\ntwo"),
        (" \n ", "", ""),
    ],
)
def test_first_paragraphs(continuation: str, strict: str, parity: str) -> None:
    assert first_paragraph(continuation) == strict
    assert first_paragraph(continuation, mode="parity") == parity


@pytest.mark.parametrize(
    ("reply", "inconsistency"),
    [
        ("Yes.", 0),
        ("no, because", 1),
        ("N/A", 0.5),
        ("Answer Yes or No: no", 1),
        ("I would say yes, not no", 0),
    ],
)
def test_verdicts(reply: str, inconsistency: float) -> None:
    for mode in ("strict", "parity"):
        assert verdict_inconsistency(reply, mode=mode) == inconsistency


def test_a_reply_without_a_verdict() -> None:
    assert math.isnan(verdict_inconsistency("Nothing known"))
    assert verdict_inconsistency("Nothing known", mode="parity") == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: consistency([1.5]), "`inconsistencies` to lie in"),
        (lambda: consistency([1], level=1), "`level` to lie between"),
        (lambda: sampled_steps(30, random.Random(0), 1), "`max_steps` to be at least 2"),
        (lambda: first_paragraph("a", mode="x"), "`mode` to be one of"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_refused(call: Callable[..., Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
