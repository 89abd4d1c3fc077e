"""Heads with a soft cap: against autograd and definitions in float64, and against what a cap cannot change."""

import math
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.perturbation import (
    DIRECTIONS,
    FEATURE_NAMES,
    Grid,
    flip_radius,
    ray,
    reference_features,
    stability_features,
    stability_features_sweep,
)
from ccps.perturbation.many import MANY

SEEDS = st.integers(0, 2**31 - 1)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)


def case(
    seed: int, tokens: int = 6, vocab: int = 61, width: int = 9, scale: float = 2.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A small head and states; half of the tokens are the model's own choice."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(vocab, width, generator=generator)
    hidden = torch.randn(tokens, width, generator=generator) * scale
    ids = torch.randint(vocab, (tokens,), generator=generator)
    ids[::2] = (hidden @ weight.T).argmax(1)[::2]
    return hidden, weight, ids


def column(features: torch.Tensor, name: str) -> torch.Tensor:
    return features[..., FEATURE_NAMES.index(name)]


def near(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-3) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def capped(lines: torch.Tensor, softcap: float) -> torch.Tensor:
    return softcap * torch.tanh(lines / softcap)


def told_apart(inputs: Any, grid: Any, **options: Any) -> Any:
    """Tokens whose largest logit float32 can tell from the next under the cap, at every radius of the grid."""
    radii = torch.tensor(grid.radii())
    exact = flip_radius(*inputs, **options)[:, None]
    logits, slope, *_ = ray(*inputs, **options)
    highest = torch.maximum(logits.abs(), (logits + grid.radius * slope).abs()).amax(1)
    return ((exact - radii).abs() > 1e-2 * radii).all(1) & (highest < 4 * options["softcap"])


@every_direction
@settings(max_examples=15, deadline=None)
@given(
    seed=SEEDS,
    vocab=st.integers(2, 700),
    steps=st.integers(1, 6),
    radius=st.floats(0.1, 30),
    softcap=st.floats(3, 100),
    biased=st.booleans(),
)
def test_equals_the_step_by_step_reference(
    direction: Any, seed: int, vocab: int, steps: int, radius: float, softcap: float, biased: bool
) -> None:
    inputs = case(seed, tokens=3, vocab=vocab)
    bias = torch.randn(vocab, generator=torch.Generator().manual_seed(seed)) if biased else None
    options = {"direction": direction, "softcap": softcap, "bias": bias}
    fast = stability_features(*inputs, radius, steps, **options)
    slow = reference_features(*inputs, radius, steps, **options)
    clear = told_apart(inputs, Grid(radius, steps), **options)
    if direction in ("gradient", "opposite"):
        # Autograd takes p − 1 as a difference, which float32 cannot do where p is nearly 1.
        clear &= column(slow, "original_prob_actual") < 0.99
    near(fast[clear], slow[clear])


def test_most_tokens_are_compared_with_the_reference() -> None:
    compared = [
        told_apart(case(seed), Grid(radius, 5), direction=direction, softcap=20.0)
        for seed in range(4)
        for radius in (1.0, 20.0)
        for direction in DIRECTIONS
    ]
    assert torch.cat(compared).float().mean() > 0.8


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, softcap=st.floats(0.5, 100), scale=st.floats(0.1, 10))
def test_gradient_is_what_autograd_finds_in_float64(seed: int, softcap: float, scale: float) -> None:
    hidden, weight, ids = case(seed, scale=scale)
    leaf = hidden.double().requires_grad_()
    logits = capped(leaf @ weight.double().T, softcap)
    torch.nn.functional.cross_entropy(logits, ids, reduction="sum").backward()
    traced = ray(hidden, weight, ids, softcap=softcap)
    assert leaf.grad is not None
    expected = leaf.grad.norm(dim=1)
    size = weight.norm(dim=1).amax()
    torch.testing.assert_close(traced.gradient_norm.double(), expected, rtol=1e-4, atol=1e-7 * float(size))
    steep = expected > 1e-4
    unit = (leaf.grad / expected[:, None])[steep]
    torch.testing.assert_close(traced.direction.double()[steep], unit, rtol=1e-2, atol=1e-3)


def test_gradient_far_above_the_cap_is_not_rounded_away() -> None:
    """1 − tanh² of 10 is 8e-9, and 0 in float32; so is the difference of a probability and 1."""
    weight, hidden, ids = torch.tensor([[1.0], [-1.0]]), torch.tensor([[100.0]]), torch.tensor([0])
    traced = ray(hidden, weight, ids, softcap=10.0)
    other = 1 / (1 + math.exp(2 * 10 * math.tanh(10)))
    assert traced.gradient_norm.item() == pytest.approx(2 * other / math.cosh(10) ** 2, rel=1e-4)


@every_direction
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, radius=st.floats(1e-3, 100), scale=st.floats(0.5, 10), softcap=st.floats(1, 60))
def test_path_holds_by_its_definitions(direction: Any, seed: int, radius: float, scale: float, softcap: float) -> None:
    """Every kind of number in float64, certain tokens and logits far above the cap included."""
    hidden, weight, ids = case(seed, tokens=2, scale=scale)
    options = {"direction": direction, "softcap": softcap}
    features = stability_features(hidden, weight, ids, radius, 1, **options).double()
    traced = ray(hidden, weight, ids, **options)
    start, end = (
        capped(hidden.double() @ weight.double().T, softcap),
        capped((hidden.double() + radius * traced.direction.double()) @ weight.double().T, softcap),
    )
    log_p0, log_p1 = start.log_softmax(1), end.log_softmax(1)
    p0, p1, m = log_p0.exp(), log_p1.exp(), (log_p0.exp() + log_p1.exp()) / 2
    first, second = end.topk(2).values.T
    expected = {
        "original_log_prob_actual": log_p0.gather(1, ids[:, None])[:, 0],
        "original_prob_argmax": p0.amax(1),
        "original_entropy": -(p0 * (p0 + 1e-6).log()).sum(1),
        "original_norm_logits_L2": start.norm(dim=1),
        "original_std_logits": start.std(1),
        "perturbed_log_prob_actual_mean": log_p1.gather(1, ids[:, None])[:, 0],
        "perturbed_logit_actual_mean": end.gather(1, ids[:, None])[:, 0],
        "perturbed_logit_argmax_mean": first,
        "perturbed_prob_argmax_mean": p1.amax(1),
        "perturbed_entropy_mean": -(p1 * (p1 + 1e-6).log()).sum(1),
        "perturbed_margin_logit_top1_top2_mean": first - second,
        "perturbed_norm_logits_L2_mean": end.norm(dim=1),
        "kl_div_perturbed_from_original_mean": (p0 * (log_p0 - log_p1)).sum(1),
        "js_div_perturbed_from_original_mean": (m * (m.log() - (log_p0 + log_p1) / 2)).sum(1),
        "cosine_sim_logits_perturbed_to_original_mean": torch.nn.functional.cosine_similarity(start, end),
        "jacobian_norm_token": traced.gradient_norm.double(),
    }
    for name, values in expected.items():
        near(column(features, name), values, 5e-5)


def test_two_mirrored_entries_in_closed_form() -> None:
    """The state moves straight towards zero and beyond: p = σ(2c·tanh((h − ε)/c))."""
    weight, hidden, ids, softcap = torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.75]]), torch.tensor([0]), 2.0
    features = stability_features(hidden, weight, ids, 1.5, 2, softcap=softcap)[0]
    logit = softcap * math.tanh(0.75 / softcap)
    p = 1 / (1 + math.exp(-2 * logit))

    def js(q: Any) -> Any:
        m = (p + q) / 2
        both = (m, p * q), (1 - m, (1 - p) * (1 - q))
        return sum(share * (math.log(share) - math.log(product) / 2) for share, product in both)

    expected = {
        "original_logit_actual": logit,
        "original_prob_actual": p,
        "original_margin_logit_top1_top2": 2 * logit,
        "original_norm_logits_L2": logit * math.sqrt(2),
        "jacobian_norm_token": 2 * (1 - p) / math.cosh(0.75 / softcap) ** 2,
        "epsilon_to_flip_token": 1.5,
        "perturbed_logit_actual_max": 0.0,
        "perturbed_logit_actual_min": -logit,
        "perturbed_prob_actual_max": 0.5,
        "perturbed_prob_actual_min": 1 - p,
        "kl_div_perturbed_from_original_min": p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p)),
        "kl_div_perturbed_from_original_max": (2 * p - 1) * 2 * logit,
        "js_div_perturbed_from_original_min": js(0.5),
        "js_div_perturbed_from_original_max": js(1 - p),
        "cosine_sim_logits_perturbed_to_original_min": -1.0,
        "l2_dist_hidden_perturbed_from_original_max": 1.5,
    }
    for name, value in expected.items():
        assert column(features, name).item() == pytest.approx(value, rel=1e-5, abs=1e-6), name
    assert flip_radius(hidden, weight, ids, softcap=softcap).item() == pytest.approx(0.75)


@every_direction
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, softcap=st.floats(4, 60))
def test_flip_radius_is_what_bisection_finds_under_the_cap(direction: Any, seed: int, softcap: float) -> None:
    """Once overtaken, the first argmax never leads again: there is one crossing, and it can be searched for."""
    hidden, weight, _ = inputs = case(seed, tokens=3)
    options = {"direction": direction, "softcap": softcap}
    exact = flip_radius(*inputs, **options).tolist()
    unit = ray(*inputs, **options).direction.double()

    def leader(token: Any, radius: Any) -> int:
        return int(capped((hidden[token].double() + radius * unit[token]) @ weight.double().T, softcap).argmax())

    for token, radius in enumerate(exact):
        first, low, high = leader(token, 0.0), 0.0, 2.0 * softcap
        if leader(token, high) == first:
            assert radius > high
            continue
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if leader(token, middle) == first else (low, middle)
        assert radius == pytest.approx(low, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("direction", ["random", "contrast"])
def test_a_cap_leaves_flips_alone_where_the_direction_does_not_know_of_it(
    direction: Literal["gradient", "random", "opposite", "contrast"],
) -> None:
    inputs = case(1)
    assert torch.equal(
        flip_radius(*inputs, direction=direction, softcap=5.0), flip_radius(*inputs, direction=direction)
    )


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, radius=st.floats(1, 30), steps=st.integers(1, 30), softcap=st.floats(2, 60))
def test_grid_flip_is_the_exact_flip_rounded_up(seed: int, radius: float, steps: int, softcap: float) -> None:
    inputs = case(seed)
    on_grid = column(stability_features(*inputs, radius, steps, softcap=softcap), "epsilon_to_flip_token")
    for exact, found in zip(flip_radius(*inputs, softcap=softcap).tolist(), on_grid.tolist(), strict=True):
        radii = Grid(radius, steps).radii()
        if any(math.isclose(exact, r, rel_tol=1e-4) for r in radii):
            continue
        assert found == pytest.approx(next((r for r in radii if r > exact), math.inf), rel=1e-6)


def test_order_far_above_the_cap_is_that_of_the_lines() -> None:
    """Float32 calls all of these logits 1; the second still overtakes the first at (400 − 390)/√2."""
    weight, hidden = torch.eye(3), torch.tensor([[400.0, 390.0, 380.0]])
    features = stability_features(hidden, weight, torch.tensor([0]), 10.0, 4, direction="contrast", softcap=1.0)
    assert column(features, "epsilon_to_flip_token").item() == 7.5
    assert column(features, "is_actual_token_original_argmax").item() == 1
    assert column(features, "original_margin_logit_top1_top2").item() == 0
    assert column(features, "did_argmax_change_from_original_mean").item() == 0.5
    assert torch.isfinite(features).all()


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, radius=st.floats(0.1, 300), softcap=st.floats(0.5, 60))
def test_no_logit_exceeds_the_cap(seed: int, radius: float, softcap: float) -> None:
    features = stability_features(*case(seed, scale=8.0), radius, 3, softcap=softcap)
    for name in ("original_logit_actual", "original_logit_argmax", "perturbed_logit_actual_min"):
        assert (column(features, name).abs() <= softcap * (1 + 1e-6)).all()
    for name in ("original_norm_logits_L2", "perturbed_norm_logits_L2_max"):
        assert (column(features, name) <= softcap * math.sqrt(61) * (1 + 1e-6)).all()
    assert (column(features, "kl_div_perturbed_from_original_min") >= -1e-4).all()
    finite = torch.isfinite(features)
    finite[:, FEATURE_NAMES.index("epsilon_to_flip_token")] = True
    assert finite.all()


@every_direction
def test_a_cap_far_above_the_logits_is_none(direction: Any) -> None:
    inputs = case(2)
    near(
        stability_features(*inputs, 3.0, direction=direction, softcap=1e5),
        stability_features(*inputs, 3.0, direction=direction),
        1e-4,
    )
    assert not torch.allclose(stability_features(*inputs, softcap=30.0), stability_features(*inputs))


@every_direction
def test_sweeps_of_few_and_of_many_radii_equal_single_calls(direction: Any) -> None:
    inputs = case(3, vocab=300)
    grids = [Grid(20.0, 5), Grid(4.0, 1), Grid(0.5, 7), Grid(33.0, MANY)]
    options = {"direction": direction, "softcap": 12.0, "seed": 5}
    together = stability_features_sweep(*inputs, grids, **options)
    for grid, features in zip(grids, together, strict=True):
        assert torch.equal(features, stability_features(*inputs, *grid, **options))


def test_blocks_of_tokens_and_single_tokens_give_the_same() -> None:
    hidden, weight, ids = case(4, tokens=11, vocab=300)
    whole = stability_features(hidden, weight, ids, 3.0, softcap=9.0)
    near(stability_features(hidden, weight, ids, 3.0, softcap=9.0, max_scratch_bytes=8 * 300 * 2), whole, 1e-5)
    alone = [stability_features(hidden[i : i + 1], weight, ids[i : i + 1], 3.0, softcap=9.0) for i in range(11)]
    near(torch.cat(alone), whole, 1e-5)


def test_no_tokens_give_no_rows() -> None:
    _, weight, _ = case(5)
    none = torch.empty(0, 9), weight, torch.empty(0, dtype=torch.long)
    assert stability_features(*none, softcap=30.0).shape == (0, 75)


@pytest.mark.parametrize("compute", [stability_features, reference_features, flip_radius, ray])
@pytest.mark.parametrize("softcap", [0.0, -30.0, math.inf, math.nan])
def test_refuses_what_is_no_cap(compute: Any, softcap: Any) -> None:
    with pytest.raises(ValueError, match="Expected `softcap` to be a positive finite number or None, but got"):
        compute(*case(6), softcap=softcap)


def test_infinite_logits_are_refused_though_the_cap_hides_them() -> None:
    bias = torch.zeros(61)
    bias[5] = math.inf
    with pytest.raises(ValueError, match="Expected `weight` to give finite logits, but got NaN or inf for 6 of 6"):
        stability_features(*case(7), bias=bias, softcap=30.0)
