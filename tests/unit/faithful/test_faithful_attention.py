"""What RCC takes from states, found while they come in, against the states themselves."""

from typing import Any

import numpy as np
import pytest
import torch

from ccps.faithful import Attending, attended_chain, rcc_chain

STEPS = [list(range(7)), [], list(range(6, 20)), [20], list(range(21, 30))]
PROMPT = 10


@pytest.fixture(scope="module")
def states() -> torch.Tensor:
    return torch.randn(PROMPT + 30, 8, generator=torch.Generator().manual_seed(0)) * 1.5


def attended(states: torch.Tensor, chunk: int, steps: Any = STEPS, **how: Any) -> Any:
    attending = Attending(steps, PROMPT, **how)
    for part in states.split(chunk):
        attending.take(part)
    return attending.found()


def test_pairs_by_hand() -> None:
    """Two tokens of a prompt and two of a step: scores 2 and 0 of the first, 0 and 0 of the second."""
    attending = Attending([[0, 1]], 2, least=0.2)
    attending.take(torch.tensor([[2.0, 0, 0, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 1, 0]]))
    found = attending.found()
    assert found.pairs.tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert found.weights.tolist() == pytest.approx([np.exp(2) / (np.exp(2) + 1), 0.5, 0.5])
    assert (found.n_tokens, found.least) == (2, 0.2)


@pytest.mark.parametrize("chunk", [1, 3, 11, 100])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("mode", ["strict", "parity"])
@pytest.mark.parametrize(("mu", "delta"), [(0.1, 0.4), (0.3, 0.2), (0.5, 0.4), (0.7, 0.8), (1.0, 0.0)])
def test_every_threshold_follows_from_what_was_kept(
    states: torch.Tensor, chunk: int, similarity: Any, mode: Any, mu: float, delta: float
) -> None:
    probs = np.random.default_rng(1).uniform(0.01, 1, 30)
    settings: dict[str, Any] = {"mu": mu, "delta": delta, "mode": mode}
    wanted = rcc_chain(states, probs, STEPS, PROMPT, similarity=similarity, **settings)
    found = attended_chain(attended(states, chunk, similarity=similarity), probs, STEPS, **settings)
    np.testing.assert_allclose(found.q, wanted.q, atol=1e-6)
    np.testing.assert_allclose(found.p, wanted.p, atol=1e-6)
    assert mu == 1.0 or np.nanmax(found.q) > 0


def test_a_row_has_few_pairs_and_only_heavy_ones(states: torch.Tensor) -> None:
    found = attended(states, 7)
    rows = found.pairs[:, :2].unique(dim=0, return_counts=True)[1]
    assert rows.max() <= 10
    assert found.weights.min() >= 0.1
    assert found.weights.dtype == torch.float32
    assert found.pairs.dtype == torch.int32


def test_two_steps_are_held_at_most() -> None:
    """However long the trace is."""
    steps = [range(start, start + 50) for start in range(0, 5000, 50)]
    attending = Attending([list(step) for step in steps], 20)
    held = []
    for part in torch.randn(5020, 4, generator=torch.Generator().manual_seed(0)).split(16):
        attending.take(part)
        held.append(attending.held)
    assert max(held) <= 50 + 50 + 16
    assert len(attending.found().pairs) > 0


def test_what_does_not_fit_is_refused(states: torch.Tensor) -> None:
    found = attended(states, 100, least=0.3)
    with pytest.raises(ValueError, match=r"`mu` to be at least 0.3, .* but got 0.2"):
        attended_chain(found, np.ones(30), STEPS, mu=0.2)
    with pytest.raises(ValueError, match="step 0 to be among 30"):
        attended_chain(found, np.ones(30), [[30]])
    with pytest.raises(ValueError, match="step 4 to be among 28 generated ones that have states, but got index 29"):
        attended(states[:-2], 100)
    with pytest.raises(ValueError, match="`states` to be finite"):
        attended(torch.full_like(states, torch.inf), 100)
    for prompt, least in ((0, 0.1), (5, 0.0), (5, 1.5)):
        with pytest.raises(ValueError, match="`prompt_length` to be at least 1"):
            Attending(STEPS, prompt, least=least)
