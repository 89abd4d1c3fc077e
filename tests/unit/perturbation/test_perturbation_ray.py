import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.perturbation import flip_radius, ray

SEEDS = st.integers(0, 2**31 - 1)


def case(seed: int, tokens: int = 4, vocab: int = 41, width: int = 7) -> tuple[torch.Tensor, Any, torch.Tensor, Any]:
    generator = torch.Generator().manual_seed(seed)
    weight, bias = torch.randn(vocab, width, generator=generator), torch.randn(vocab, generator=generator)
    hidden = torch.randn(tokens, width, generator=generator) * 2
    return hidden, weight, torch.randint(vocab, (tokens,), generator=generator), bias


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, biased=st.booleans())
def test_gradient_is_what_autograd_finds(seed: int, biased: bool) -> None:
    hidden, weight, ids, bias = case(seed)
    leaf = hidden.clone().requires_grad_()
    logits = leaf @ weight.T + (bias if biased else 0)
    torch.nn.functional.cross_entropy(logits, ids, reduction="sum").backward()
    traced = ray(hidden, weight, ids, bias=bias if biased else None)
    torch.testing.assert_close(traced.logits, logits.detach(), rtol=1e-5, atol=1e-5)
    assert leaf.grad is not None
    torch.testing.assert_close(traced.gradient_norm, leaf.grad.norm(dim=1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(traced.direction * traced.gradient_norm[:, None], leaf.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(traced.slope, traced.direction @ weight.T, rtol=1e-5, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_log_probability_of_the_token_falls_and_is_concave(seed: int) -> None:
    hidden, weight, ids, bias = case(seed)
    logits, slope, *_ = ray(hidden, weight, ids, bias=bias)
    radii = torch.linspace(0, 20, 81, dtype=torch.float64)[:, None, None]
    log_probs = (logits.double() + radii * slope.double()).log_softmax(-1)
    chosen = log_probs.gather(2, ids.expand(81, -1)[..., None]).squeeze(2)
    assert (chosen.diff(dim=0) < 1e-9).all()
    assert (chosen.diff(n=2, dim=0) < 1e-9).all()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, radius=st.floats(1e-4, 50))
def test_divergence_is_the_growth_of_the_normaliser(seed: int, radius: float) -> None:
    hidden, weight, ids, _ = case(seed)
    logits, slope = (x.double() for x in ray(hidden, weight, ids)[:2])
    log_p0, log_p1 = logits.log_softmax(1), (logits + radius * slope).log_softmax(1)
    direct = (log_p0.exp() * (log_p0 - log_p1)).sum(1)
    growth = (logits + radius * slope).logsumexp(1) - logits.logsumexp(1)
    closed = growth - radius * (log_p0.exp() * slope).sum(1)
    torch.testing.assert_close(closed, direct, rtol=1e-9, atol=1e-12)


def test_gradient_of_a_nearly_certain_token_is_not_rounded_away() -> None:
    """p = 1 − 2e-8 is 1 in float32; its gradient is far above the flat limit all the same."""
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    hidden, ids = torch.tensor([[18.4, 0.1]]), torch.tensor([0])
    traced = ray(hidden, weight, ids)
    logits = (hidden.double() @ weight.T.double()).requires_grad_()
    expected = (logits.softmax(1) - torch.tensor([[1.0, 0.0, 0.0]])).detach() @ weight.double()
    assert traced.gradient_norm.item() == pytest.approx(expected.norm().item(), rel=1e-5)
    torch.testing.assert_close(traced.direction.double(), expected / expected.norm(), rtol=1e-5, atol=1e-6)


def test_certain_token_stays_where_it_is() -> None:
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    traced = ray(torch.tensor([[200.0, 0.0], [0.5, 0.0]]), weight, torch.tensor([0, 0]))
    assert traced.gradient_norm[0] <= 1e-9
    assert not traced.direction[0].any()
    assert not traced.slope[0].any()
    assert traced.direction[1].norm() == pytest.approx(1)
    radius = flip_radius(torch.tensor([[200.0, 0.0]]), weight, torch.tensor([0]))
    assert radius.tolist() == [math.inf]


def test_flip_radius_in_closed_form() -> None:
    """Two mirrored entries: the state moves straight along the axis and flips where it crosses zero."""
    weight = torch.tensor([[1.0], [-1.0]])
    hidden = torch.tensor([[0.75], [0.75], [-2.0]])
    radius = flip_radius(hidden, weight, torch.tensor([0, 1, 1]))
    # The second token pushes against the runner-up, so the argmax only grows.
    assert radius.tolist() == pytest.approx([0.75, math.inf, 2.0])


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_argmax_holds_before_the_flip_and_never_returns(seed: int) -> None:
    hidden, weight, ids, bias = case(seed)
    exact = flip_radius(hidden, weight, ids, bias=bias)
    logits, slope = (x.double() for x in ray(hidden, weight, ids, bias=bias)[:2])
    for token, radius in enumerate(exact.tolist()):
        start = int(logits[token].argmax())
        before = 1e4 if math.isinf(radius) else radius * (1 - 1e-4)
        assert int((logits[token] + before * slope[token]).argmax()) == start
        if math.isfinite(radius):
            for after in (radius * (1 + 1e-4) + 1e-5, radius + 1, 10 * radius + 100):
                assert int((logits[token] + after * slope[token]).argmax()) != start


def test_result_does_not_depend_on_the_block() -> None:
    hidden, weight, ids, _ = case(0, tokens=9)
    whole = flip_radius(hidden, weight, ids)
    torch.testing.assert_close(flip_radius(hidden, weight, ids, max_scratch_bytes=1), whole)
