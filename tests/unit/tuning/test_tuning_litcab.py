"""LitCab on invented states: against the formula, written out in numpy."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from ccps.core.errors import UserError
from ccps.perturbation import Head
from ccps.probes.reporting import SILENT
from ccps.settings.litcab import LitCabConfig
from ccps.settings.probe import Accelerator, StageConfig
from ccps.tuning.litcab import LitCabWeights, Pair, Reading
from ccps.tuning.litcab_training import LitCabModule, fit_litcab

WIDTH, VOCABULARY = 6, 11
CONFIG = LitCabConfig(learning_rate=0.05, batch_size=8, epochs=6, accelerator=Accelerator.cpu)


def random_head(seed: int = 0, *, bias: bool = False, softcap: float | None = None) -> Head:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(VOCABULARY, WIDTH, generator=generator)
    return Head(weight, torch.randn(VOCABULARY, generator=generator) if bias else None, softcap)


def reading(tokens: list[int], seed: int) -> Reading:
    states = torch.randn(len(tokens), WIDTH, generator=torch.Generator().manual_seed(seed))
    return Reading(states, torch.tensor(tokens))


def cross_entropies(one: Reading, head: Head, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """−log softmax(cap(W_head·h + b_head) + W·ReLU(h) + b) at the token; the layer is beside the cap, not under it."""
    hidden = one.states.double().numpy()
    logits = hidden @ head.weight.double().numpy().T
    if head.bias is not None:
        logits += head.bias.double().numpy()
    if head.softcap is not None:
        logits = head.softcap * np.tanh(logits / head.softcap)
    logits += np.maximum(hidden, 0) @ weight.T + bias
    own: np.ndarray = logits[np.arange(len(logits)), one.token_ids.numpy()]
    return np.log(np.exp(logits).sum(1)) - own  # type: ignore[no-any-return]


def with_layer(head: Head, config: LitCabConfig) -> tuple[LitCabModule, np.ndarray, np.ndarray]:
    """A module whose layer has learnt something."""
    module = LitCabModule(head, config, StageConfig())
    rng = np.random.default_rng(5)
    weight, bias = rng.normal(size=(VOCABULARY, WIDTH)), rng.normal(size=VOCABULARY)
    module.trained.weight.data, module.trained.bias.data = torch.tensor(weight).float(), torch.tensor(bias).float()
    return module, weight, bias


@pytest.mark.parametrize(("bias", "softcap"), [(False, None), (True, None), (True, 2.0)])
@pytest.mark.parametrize(("bound", "counts"), [(0.0, False), (1e3, True)])
def test_loss_is_right_minus_wrong_plus_penalty_plus_three(
    bias: bool, softcap: float | None, bound: float, counts: bool
) -> None:
    """Wrong answers count only while their mean cross-entropy is below the bound."""
    head, batch = random_head(bias=bias, softcap=softcap), Pair(reading([1, 2, 3], 1), reading([4, 5], 2))
    module, weight, offset = with_layer(head, LitCabConfig(wrong_bound=bound, penalty=0.25))
    right, wrong = (cross_entropies(side, head, weight, offset).mean() for side in batch)
    expected = right - counts * wrong + 0.25 * math.sqrt((weight**2).sum()) + 3
    assert module.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_one_state_for_both_answers_is_read_once_and_costs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiple choice: right and wrong are two tokens after one prompt."""
    head, states = random_head(), reading([1, 2], 1).states
    module, weight, offset = with_layer(head, LitCabConfig(wrong_bound=1e3, penalty=0.0))
    batch = Pair(Reading(states, torch.tensor([1, 2])), Reading(states.clone(), torch.tensor([3, 3])))
    right, wrong = (cross_entropies(side, head, weight, offset).mean() for side in batch)
    calls = []
    plain = module._logits
    monkeypatch.setattr(module, "_logits", lambda given: calls.append(given) or plain(given))  # type: ignore[func-returns-value]
    assert module.loss(batch).item() == pytest.approx(right - wrong + 3, rel=1e-5)
    assert len(calls) == 1


def test_a_layer_that_is_zero_has_a_gradient() -> None:
    """The norm of zero has none of its own, and must not make NaN of the others."""
    module: Any = LitCabModule(random_head(), LitCabConfig(), StageConfig())
    module.loss(Pair(reading([1, 2], 1), reading([3], 2))).backward()
    assert torch.isfinite(module.trained.weight.grad).all()
    assert module.trained.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("softcap", [None, 2.0])
def test_log_probs_are_those_of_head_and_layer_together(softcap: float | None) -> None:
    head = random_head(bias=True, softcap=softcap)
    one = reading([index % VOCABULARY for index in range(600)], 3)  # three blocks
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(VOCABULARY, WIDTH)), rng.normal(size=VOCABULARY)
    found = LitCabWeights(torch.tensor(weight).float(), torch.tensor(bias).float()).log_probs(one, head)
    np.testing.assert_allclose(found, -cross_entropies(one, head, weight, bias), rtol=1e-4, atol=1e-5)


def problem(n: int = 40) -> tuple[list[Pair], np.ndarray, list[str]]:
    """Right answers are token 7, wrong ones token 8; answers of one to three tokens."""
    pairs = [Pair(reading([7] * (1 + i % 3), i), reading([8] * (1 + i % 2), 1000 + i)) for i in range(n)]
    return pairs, np.arange(n) % 2, [f"q{i}" for i in range(n)]


def test_right_answers_become_likelier_than_wrong_ones() -> None:
    head, (pairs, labels, ids) = random_head(), problem()
    trained = fit_litcab(pairs, labels, ids, head, CONFIG, 3, SILENT)
    assert (len(trained.train), len(trained.validation)) == (32, 8)
    losses = [point.val_loss for point in trained.curve]
    assert len(losses) == 7
    zero = np.zeros((VOCABULARY, WIDTH)), np.zeros(VOCABULARY)
    held_out = [pairs[position] for position in trained.validation]
    right, wrong = (np.concatenate([cross_entropies(pair[side], head, *zero) for pair in held_out]) for side in (0, 1))
    assert losses[0] == pytest.approx(right.mean() - wrong.mean() + 3, rel=1e-5)
    assert min(losses) < losses[0] - 1
    gains = [trained.weights.log_probs(side, head).mean() for pair in held_out for side in pair]
    assert np.mean(gains[::2]) > np.mean(gains[1::2]) + 1


def test_the_best_epoch_is_kept() -> None:
    head, (pairs, labels, ids) = random_head(), problem()
    config = LitCabConfig(learning_rate=3.0, batch_size=8, epochs=4, accelerator=Accelerator.cpu)  # overshoots
    trained = fit_litcab(pairs, labels, ids, head, config, 3, SILENT)
    held_out = [pairs[position] for position in trained.validation]
    right, wrong = (-torch.cat([trained.weights.log_probs(p[side], head) for p in held_out]).mean() for side in (0, 1))
    assert (right - wrong + 3).item() == pytest.approx(min(point.val_loss for point in trained.curve), rel=1e-4)


def test_one_seed_gives_the_same_layer_and_torch_keeps_its_own() -> None:
    head, (pairs, labels, ids) = random_head(), problem()
    state = torch.random.get_rng_state()
    first, again, other = (fit_litcab(pairs, labels, ids, head, CONFIG, seed, SILENT).weights for seed in (1, 1, 2))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_divergence_is_refused() -> None:
    pairs, labels, ids = problem()
    config = LitCabConfig(learning_rate=1e38, batch_size=8, epochs=3, accelerator=Accelerator.cpu)
    with pytest.raises(UserError, match=r"Lower `litcab.learning_rate`"):
        fit_litcab(pairs, labels, ids, random_head(), config, 1, SILENT)
