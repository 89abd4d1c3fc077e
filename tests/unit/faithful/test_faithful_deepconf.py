import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.faithful import (
    deepconf,
    deepconf_steps,
    quantile_normalised,
    step_means,
    token_confidence,
    trace_deepconf,
)
from ccps.faithful.modes import Mode

# Probabilities of the alternatives, confidence of the token, and the same scaled (arXiv 2606.03969, released code).
RELEASED = [
    ([0.2] * 5, 1.609, 0.201125),
    ([0.4, 0.2, 0.15, 0.15, 0.1], 1.725, 0.215625),
    ([0.7, 0.12, 0.08, 0.06, 0.04], 2.207, 0.275875),
    ([0.9, 0.04, 0.03, 0.02, 0.01], 3.070, 0.38375),
    ([0.999996, 1e-6, 1e-6, 1e-6, 1e-6], 11.052, 1.0),
    ([0.5, 0.2, 0.1, 0.1, 0.05, 0.001], 1.981, 0.247625),
]
MODES: tuple[Mode, ...] = ("strict", "parity")
LOGS = np.log([0.4, 0.2, 0.15, 0.15, 0.1])
ROW = LOGS.tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("probabilities", "raw", "confidence"), RELEASED)
def test_released_values(probabilities: list[float], raw: float, confidence: float, mode: Mode) -> None:
    logs = np.log(probabilities)
    assert token_confidence([logs.tolist()], mode=mode)[0] == raw
    assert deepconf([logs.tolist()], mode=mode) == pytest.approx(confidence, abs=1e-12)
    assert deepconf(logs[None], mode=mode) == pytest.approx(confidence, abs=1e-12)
    assert deepconf([logs[::-1].tolist()], mode=mode) == pytest.approx(confidence, abs=1e-12)


def test_a_step_is_the_mean_of_its_tokens() -> None:
    table = [np.log(row[:5]).tolist() for row, _, _ in RELEASED[:4]]
    assert deepconf(table) == pytest.approx(np.mean([1.609, 1.725, 2.207, 3.070]) / 8)
    steps = deepconf_steps(table, [[0, 1], [], [3]])
    assert steps == pytest.approx([np.mean([1.609, 1.725]) / 8, math.nan, 3.070 / 8], nan_ok=True)
    assert deepconf(table, scale=2.0) == 1.0


@pytest.mark.parametrize("top", [0.5, 0.9, 0.99, 0.999, 0.9999])
def test_more_peaked_is_more_confident(top: float) -> None:
    rest = (1 - top) / 4
    expected = min(1, round(-(math.log(top) + 4 * math.log(rest)) / 5, 3) / 8)
    assert deepconf([np.log([top] + [rest] * 4).tolist()]) == pytest.approx(expected)


def test_a_uniform_vocabulary_reads_as_confident() -> None:
    assert deepconf([[-math.log(151_936)] * 5]) == 1.0


@given(st.lists(st.lists(st.floats(1e-9, 1), min_size=5, max_size=8), min_size=1, max_size=6), st.sampled_from(MODES))
def test_the_floor(weights: list[list[float]], mode: Mode) -> None:
    table = [[math.log(w / sum(row)) for w in row] for row in weights]
    assert math.log(5) / 8 - 1e-4 <= deepconf(table, mode=mode) <= 1


@pytest.mark.parametrize("bad", [math.nan, -math.inf, math.inf])
def test_positions_that_are_not_finite_are_missing(bad: Any) -> None:
    table = [[*LOGS[:4], bad], LOGS.tolist()]
    for mode in MODES:
        assert np.isnan(token_confidence(table, mode=mode)).tolist() == [True, False]
        assert deepconf(table, mode=mode) == pytest.approx(0.215625)
    # Strict keeps the place of the missing position; parity moves what follows forward.
    assert deepconf_steps(table, [[0], [1]]) == pytest.approx([math.nan, 0.215625], nan_ok=True)
    assert deepconf_steps(table, [[0], [1]], mode="parity") == pytest.approx([0.215625, math.nan], nan_ok=True)


def test_a_spare_alternative_that_is_not_finite_does_not_matter() -> None:
    assert deepconf([[*LOGS, -math.inf]]) == pytest.approx(0.215625)


def test_fewer_than_k_alternatives() -> None:
    table = [LOGS[:3].tolist(), LOGS.tolist(), []]
    assert np.isnan(token_confidence(table)).tolist() == [True, False, True]
    assert token_confidence(table, mode="parity") == pytest.approx(
        [round(-LOGS[:3].mean(), 3), 1.725, math.nan], nan_ok=True
    )
    assert token_confidence(table, k=3)[0] == round(-LOGS[:3].mean(), 3)
    assert math.isnan(deepconf([]))
    assert math.isnan(deepconf([], mode="parity"))


def test_whole_traces() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(1, 9, 50)
    means = sorted(np.mean(confidence[i : i + 20]) for i in range(31))
    summary = trace_deepconf(np.insert(confidence, 7, np.nan), window=20)
    assert summary.mean == pytest.approx(confidence.mean())
    assert summary.tail == pytest.approx(confidence[-20:].mean())
    assert summary.bottom == pytest.approx(np.mean(means[:3]))
    assert trace_deepconf(confidence).bottom == pytest.approx(confidence.mean())
    assert math.isnan(trace_deepconf([np.nan]).mean)


def test_quantiles() -> None:
    values = [0.3, np.nan, 0.1, 0.3, 0.9]
    assert quantile_normalised(values) == pytest.approx([0.5, np.nan, 0.125, 0.5, 0.875], nan_ok=True)
    assert quantile_normalised([]).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: deepconf([[0.5, 0.2]]), "log-probabilities, but got 0.5"),
        (lambda: deepconf(LOGS), "to have shape"),
        (lambda: deepconf([ROW], k=0), "`k` to be at least 1"),
        (lambda: deepconf([ROW], scale=0), "`scale` to be positive"),
        (lambda: deepconf([ROW], mode="loose"), "`mode` to be one of"),  # type: ignore[arg-type]
        (lambda: deepconf_steps([ROW], [[1]]), "tokens of step 0"),
        (lambda: step_means([0.5], [[-1]]), "tokens of step 0"),
    ],
)
def test_bad_input_is_refused(call: Callable[..., Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
