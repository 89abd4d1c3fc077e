import math
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccps.faithful import rcc, rcc_chain
from ccps.faithful.modes import Mode

MODES: tuple[Mode, ...] = ("strict", "parity")
STATES = np.array([[2, 0], [0, 2], [2, 0], [0, 2], [2, 2], [0, 1], [3, 0]], dtype=np.float32)
PROBS = np.array([0.9, 0.5, 0.8, 0.6, 0.3])
STEPS = [[0, 1], [2, 3, 4]]


def by_definition(states: Any, probs: Any, steps: Any, prompt_length: Any, mu: Any, delta: Any) -> Any:
    """Step by step in float64, with loops."""
    previous, p, result = list(range(prompt_length)), None, []
    for step in steps:
        rows = []
        for i in previous:
            scores = [states[i] @ states[prompt_length + j] / math.sqrt(states.shape[1]) for j in step]
            attention = np.exp(np.array(scores) - max(scores))
            attention /= attention.sum()
            rows.append(sum(probs[j] for j, a in zip(step, attention, strict=True) if a >= mu))
        taken = [row for row in rows if row != 0]
        q = np.mean(taken) if taken else 0.0
        p = q if p is None else delta * q + (1 - delta) * p
        result.append(p)
        previous = [prompt_length + j for j in step]
    return result


@pytest.mark.parametrize("mode", MODES)
def test_two_steps_by_hand(mode: Mode) -> None:
    chain = rcc_chain(STATES, PROBS, STEPS, 2, mode=mode)
    assert chain.q == pytest.approx([0.7, 0.55])
    assert chain.p == pytest.approx([0.7, 0.64])
    assert rcc(torch.tensor(STATES), torch.tensor(PROBS), STEPS, 2, mode=mode) == pytest.approx([0.7, 0.64])


@pytest.mark.parametrize("mode", MODES)
def test_states_that_tell_nothing(mode: Mode) -> None:
    zeros = np.zeros((6, 4))
    chain = rcc_chain(zeros, [0.9] * 4, [[0, 1, 2], [3]], 2, mode=mode)
    assert chain.q == pytest.approx([0.0, 0.9])
    assert chain.p == pytest.approx([0.0, 0.36])


def test_a_tie_counts_both_tokens() -> None:
    zeros = np.zeros((4, 4))
    assert rcc(zeros, [0.9, 0.7], [[0, 1]], 2, mode="parity") == pytest.approx([1.6])
    assert rcc(zeros, [0.9, 0.7], [[0, 1]], 2) == pytest.approx([1.0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("settings", [{}, {"mu": 0.2, "delta": 0.7}, {"mu": 1.0}])
def test_against_the_definition(mode: Mode, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # Also over rows in pieces, as for a long prompt.
    monkeypatch.setattr(import_module("ccps.faithful.attention"), "_ROWS", 3)
    rng = np.random.default_rng(0)
    states, probs = rng.normal(size=(40, 8)) * 2, rng.uniform(0.05, 0.3, 30)
    steps = [list(range(7)), list(range(7, 8)), list(range(8, 20)), list(range(22, 30))]
    expected = by_definition(states, probs, steps, 10, **{"mu": 0.5, "delta": 0.4} | settings)
    assert rcc(states, probs, steps, 10, mode=mode, **settings) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_tokens_of_a_step_in_any_order(mode: Mode) -> None:
    """Also where the first and the last are as far apart as those of a step that follow each other."""
    rng = np.random.default_rng(2)
    states, probs = rng.normal(size=(16, 4)) * 2, rng.uniform(0.05, 0.3, 12)
    in_order = rcc(states, probs, [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9, 10, 11]], 4, mode=mode)
    for steps in ([[0, 2, 1, 3], [4, 5, 6], [7, 9, 8, 10, 11]], [[3, 1, 2, 0], [6, 5, 4], [11, 10, 7, 8, 9]]):
        assert rcc(states, probs, steps, 4, mode=mode) == pytest.approx(in_order, rel=1e-5)
    apart = [[0, 5, 3], [7, 11]]
    expected = by_definition(states, probs, apart, 4, 0.5, 0.4)
    assert rcc(states, probs, apart, 4, mode=mode) == pytest.approx(expected, rel=1e-5)


def test_steps_without_tokens() -> None:
    steps = [[0, 1], [], [2, 3, 4]]
    assert rcc(STATES, PROBS, steps, 2) == pytest.approx([0.7, math.nan, 0.64], nan_ok=True)
    # The released code drops the step, so that what follows moves forward.
    assert rcc(STATES, PROBS, steps, 2, mode="parity") == pytest.approx([0.7, 0.64])
    for mode in MODES:
        assert rcc(STATES, PROBS, [], 2, mode=mode).shape == (0,)


def test_missing_probabilities() -> None:
    for probs in ([0.9, 0.5, np.nan, 0.6, 0.3], [0.9, 0.5]):
        with pytest.raises(ValueError, match="Expected `token_probs`"):
            rcc(STATES, probs, STEPS, 2)
    # Zeros: only the first row of step 2 attends to something that counts.
    assert rcc(STATES, [0.9, 0.5, np.nan, 0.6, 0.3], STEPS, 2, mode="parity") == pytest.approx([0.7, 0.4 * 0.3 + 0.42])
    assert rcc(STATES, [0.9, 0.5], STEPS, 2, mode="parity") == pytest.approx([0.7, 0.42])


def test_cosine_does_not_depend_on_the_length_of_states() -> None:
    rng = np.random.default_rng(1)
    states, probs = rng.normal(size=(30, 16)), rng.uniform(size=24)
    steps = [list(range(3)), list(range(3, 6)), list(range(6, 24))]
    longer = states * rng.uniform(0.1, 9, (30, 1))
    plain, scaled = (rcc(s, probs, steps, 6, similarity="cosine") for s in (states, longer))
    assert plain == pytest.approx(scaled, rel=1e-5)
    unit = states / np.linalg.norm(states, axis=1, keepdims=True) * 4
    assert plain == pytest.approx(rcc(unit, probs, steps, 6), rel=1e-5)
    assert rcc(longer, probs, steps, 6) != pytest.approx(rcc(states, probs, steps, 6), rel=1e-3)


def test_half_precision_states_are_read() -> None:
    states = torch.tensor(STATES, dtype=torch.bfloat16)
    assert rcc(states, PROBS, STEPS, 2) == pytest.approx([0.7, 0.64])


@given(st.integers(0, 10_000), st.floats(0.05, 1), st.floats(0, 1))
def test_each_p_lies_among_the_q_so_far(seed: int, mu: float, delta: float) -> None:
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(20, 3)) * rng.uniform(0, 5)
    steps = np.array_split(np.arange(15), rng.integers(1, 6))
    q, p = rcc_chain(states, rng.uniform(size=15), steps, 5, mu=mu, delta=delta)
    assert ((q >= 0) & (q <= 1)).all()
    assert (p >= np.minimum.accumulate(q) - 1e-12).all()
    assert (p <= np.maximum.accumulate(q) + 1e-12).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"states": STATES[0]}, "`states` to have shape"),
        ({"states": np.where(STATES == 3, np.inf, STATES)}, "`states` to be finite"),
        ({"prompt_length": 0}, "`prompt_length` to be between 1"),
        ({"prompt_length": 8}, "`prompt_length` to be between 1"),
        ({"step_token_indices": [[0, 5]]}, "step 0 to be among 5"),
        ({"step_token_indices": [[0], [-1]]}, "step 1 to be among 5"),
        ({"token_probs": PROBS + 0.5}, "`token_probs` to lie in"),
        ({"mu": 0.0}, "`mu` to lie in"),
        ({"delta": 1.1}, "`delta` to lie in"),
        ({"similarity": "euclid"}, "`similarity` to be one of"),
        ({"mode": "loose"}, "`mode` to be one of"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "states": STATES,
        "token_probs": PROBS,
        "step_token_indices": STEPS,
        "prompt_length": 2,
    }
    with pytest.raises(ValueError, match=message):
        rcc(**arguments | changes)
