import math
from pathlib import Path
from typing import Any

import numpy as np
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

SEEDS = st.integers(0, 2**31 - 1)
GOLDEN = Path(__file__).parents[2] / "golden"
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


def orthonormal_case(seed: int, tokens: int = 6, vocab: int = 24) -> tuple[torch.Tensor, Any, torch.Tensor]:
    """A head whose rows are orthonormal: moving along one row leaves every other logit alone."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.linalg.qr(torch.randn(vocab, vocab, generator=generator)).Q
    hidden = torch.randn(tokens, vocab, generator=generator) * 2
    return hidden, weight, torch.randint(vocab, (tokens,), generator=generator)


def column(features: torch.Tensor, name: str) -> torch.Tensor:
    return features[..., FEATURE_NAMES.index(name)]


def near(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-3) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def clear_of_flips(inputs: Any, direction: Any, radius: Any, steps: Any) -> Any:
    """Tokens whose flip is not within rounding of a grid radius, where either side is right."""
    exact = flip_radius(*inputs, direction=direction)[:, None]
    radii = torch.tensor(Grid(radius, steps).radii())
    return ((exact - radii).abs() > 1e-3 * radii).all(1)


def logit_rounding(hidden: Any, weight: Any, ids: Any, radius: Any, **options: Any) -> Any:
    """How far two float32 computations of one logit may lie apart at the end of the ray, the worst of each token.

    A logit h·w + ε·d·w is a sum of products. Blocks of another height are multiplied by other routines of the library,
    which add the same products in another order; each addition rounds, and the roundings of n of them come to about
    √n·eps times the sum of the products' magnitudes, |h|·|w| + ε·|d|·|w| (Higham, Accuracy and Stability of Numerical
    Algorithms, chapter 3; n·eps at worst). What is a difference of two logits, as margins and log-probabilities are,
    keeps the roundings of both however little is left of them.
    """
    unit = ray(hidden, weight, ids, **options).direction
    magnitude = (hidden.abs() + radius * unit.abs()) @ weight.abs().T
    return math.sqrt(hidden.shape[1]) * torch.finfo(torch.float32).eps * magnitude.amax(1)


@every_direction
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, vocab=st.integers(2, 700), steps=st.integers(1, 6), radius=st.floats(0.1, 30))
def test_equals_the_step_by_step_reference(direction: Any, seed: int, vocab: int, steps: int, radius: float) -> None:
    inputs = case(seed, tokens=3, vocab=vocab)
    fast = stability_features(*inputs, radius, steps, direction=direction)
    slow = reference_features(*inputs, radius, steps, direction=direction)
    clear = clear_of_flips(inputs, direction, radius, steps)
    if direction in ("gradient", "opposite"):
        # Autograd takes p − 1 as a difference, which float32 cannot do where p is nearly 1.
        clear &= column(slow, "original_prob_actual") < 0.99
    near(fast[clear], slow[clear])


@every_direction
@pytest.mark.parametrize("golden", ["a", "saturated"])
def test_equals_the_reference_on_the_golden_inputs(direction: Any, golden: str) -> None:
    with np.load(GOLDEN / f"{golden}.npz") as file:
        hidden, weight, ids = inputs = [torch.from_numpy(file[name]) for name in ("hidden", "weight", "token_id")]
        radius, steps = float(file["radius"]), int(file["steps"])
    clear = clear_of_flips(inputs, direction, radius, steps)
    if direction in ("gradient", "opposite"):
        chosen = (hidden.double() @ weight.double().T).softmax(1).gather(1, ids[:, None].long())[:, 0]
        clear &= (chosen < 0.99) | (ray(hidden, weight, ids).gradient_norm <= 1e-9)
    assert clear.sum() >= 6
    fast = stability_features(hidden, weight, ids, radius, steps, direction=direction)
    slow = reference_features(hidden, weight, ids, radius, steps, direction=direction)
    near(fast[clear], slow[clear])


@every_direction
def test_saturated_predictions_equal_the_reference(direction: Any) -> None:
    hidden, weight, ids = case(1, tokens=24, scale=30.0)
    ids[::2] = (ids[::2] + 1) % 61  # away from certainty of the chosen token, which autograd cannot resolve
    assert (column(stability_features(hidden, weight, ids), "original_prob_argmax") > 0.999).sum() >= 12
    clear = clear_of_flips((hidden, weight, ids), direction, 20.0, 5)
    assert clear.sum() >= 20
    fast = stability_features(hidden, weight, ids, direction=direction)
    near(fast[clear], reference_features(hidden, weight, ids, direction=direction)[clear])


@every_direction
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, radius=st.floats(1e-3, 20), scale=st.floats(0.5, 10))
def test_path_holds_by_its_definitions(direction: Any, seed: int, radius: float, scale: float) -> None:
    """Divergences, entropy and log-probability in float64, certain tokens included."""
    hidden, weight, ids = case(seed, tokens=2, scale=scale)
    features = stability_features(hidden, weight, ids, radius, 1, direction=direction).double()
    unit = ray(hidden, weight, ids, direction=direction).direction.double()
    log_p0 = (hidden.double() @ weight.double().T).log_softmax(1)
    log_p1 = ((hidden.double() + radius * unit) @ weight.double().T).log_softmax(1)
    p1, m = log_p1.exp(), (log_p0.exp() + log_p1.exp()) / 2
    expected = {
        "kl_div_perturbed_from_original": (log_p0.exp() * (log_p0 - log_p1)).sum(1),
        "js_div_perturbed_from_original": (m * (m.log() - (log_p0 + log_p1) / 2)).sum(1),
        "perturbed_entropy": -(p1 * (p1 + 1e-6).log()).sum(1),
        "perturbed_log_prob_actual": log_p1.gather(1, ids[:, None])[:, 0],
        "perturbed_prob_argmax": p1.amax(1),
    }
    for stem, values in expected.items():
        near(column(features, f"{stem}_mean"), values, 5e-5)


@every_direction
def test_what_the_unmoved_state_says_does_not_depend_on_the_direction(direction: Any) -> None:
    features, gradient = (stability_features(*case(2), direction=each) for each in (direction, "gradient"))
    torch.testing.assert_close(features[:, :12], gradient[:, :12], rtol=0, atol=0)
    norms = column(features, "jacobian_norm_token"), column(gradient, "jacobian_norm_token")
    torch.testing.assert_close(*norms, rtol=0, atol=0)


def test_the_gradient_is_the_default() -> None:
    torch.testing.assert_close(
        stability_features(*case(3)), stability_features(*case(3), direction="gradient"), rtol=0, atol=0
    )


def test_opposite_is_the_mirrored_gradient() -> None:
    up, down = (ray(*case(4), direction=each) for each in ("gradient", "opposite"))
    torch.testing.assert_close(down.direction, -up.direction, rtol=0, atol=0)
    torch.testing.assert_close(down.slope, -up.slope, rtol=1e-6, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, share=st.floats(0.01, 1))
def test_opposite_raises_the_chosen_token_as_far_as_curvature_allows(seed: int, share: float) -> None:
    """log p_t rises by ε‖g‖ − ε²Var[S]/2 or more, and a variance is at most a quarter of the squared range."""
    hidden, weight, ids = case(seed, tokens=1)
    traced = ray(hidden, weight, ids, direction="opposite")
    spread = traced.slope.amax() - traced.slope.amin()
    radius = share * float(8 * traced.gradient_norm / spread**2)
    if radius < 1e-4:  # a certain token, which has nowhere to rise
        return
    features = stability_features(hidden, weight, ids, radius, 3, direction="opposite")
    start = column(features, "original_log_prob_actual")
    assert (column(features, "perturbed_log_prob_actual_min") >= start - 1e-5).all()
    assert (column(features, "perturbed_log_prob_actual_max") <= start + radius * traced.gradient_norm + 1e-5).all()
    assert (column(features, "pei_value_token") <= 1e-5).all()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, radius=st.floats(0.01, 100))
def test_opposite_raises_the_chosen_token_at_any_radius_on_an_orthonormal_head(seed: int, radius: float) -> None:
    """S_t = (1 − p_t)/‖g‖ is positive and every other slope is negative, so nothing can overtake t."""
    inputs = orthonormal_case(seed)
    features = stability_features(*inputs, radius, 4, direction="opposite")
    start = column(features, "original_log_prob_actual")
    assert (column(features, "perturbed_log_prob_actual_min") >= start - 1e-5).all()
    assert (column(features, "pei_value_token") <= 1e-5).all()
    chosen_first = column(features, "is_actual_token_original_argmax") == 1
    assert column(features, "epsilon_to_flip_token")[chosen_first].isinf().all()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, biased=st.booleans())
def test_contrast_flips_no_later_than_the_runner_up_overtakes(seed: int, biased: bool) -> None:
    hidden, weight, ids = case(seed)
    bias = torch.randn(61, generator=torch.Generator().manual_seed(seed)) if biased else None
    logits = hidden.double() @ weight.double().T + (0 if bias is None else bias.double())
    (top, second), (first, runner_up) = (x.unbind(1) for x in logits.topk(2))
    overtaken = (top - second) / (weight[runner_up] - weight[first]).double().norm(dim=1)
    exact = flip_radius(hidden, weight, ids, bias=bias, direction="contrast").double()
    assert (exact <= overtaken * (1 + 1e-4) + 1e-5).all()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_contrast_flips_to_the_runner_up_in_closed_form_on_an_orthonormal_head(seed: int) -> None:
    """No third logit moves, so the flip comes at margin/√2, and midway both have lost half of the margin."""
    hidden, weight, ids = orthonormal_case(seed)
    values, order = (hidden.double() @ weight.double().T).topk(2)
    expected = ((values[:, 0] - values[:, 1]) / math.sqrt(2)).float()
    exact = flip_radius(hidden, weight, ids, direction="contrast")
    torch.testing.assert_close(exact, expected, rtol=1e-3, atol=1e-5)
    traced = ray(hidden, weight, ids, direction="contrast")
    beyond = traced.logits + (1.01 * exact + 1e-3)[:, None] * traced.slope
    assert (beyond.argmax(1) == order[:, 1]).all()
    for token in (token for token in range(6) if expected[token] > 1e-2):
        one = hidden[token : token + 1], weight, ids[token : token + 1]
        features = stability_features(*one, 2 * float(expected[token]) * 0.99, 4, direction="contrast")
        assert column(features, "epsilon_to_flip_token").item() == pytest.approx(1.5 * 0.99 * float(expected[token]))
        assert column(features, "did_argmax_change_from_original_mean").item() == 0.5


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_contrast_is_a_unit_vector_however_near_the_two_rows_are(scale: float) -> None:
    hidden, weight, ids = case(6)
    weight = weight * scale
    first, second = (hidden @ weight.T).topk(2).indices.unbind(1)
    wanted = torch.nn.functional.normalize((weight[second] - weight[first]).double(), dim=1)
    found = ray(hidden, weight, ids, direction="contrast").direction
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-6)


def test_contrast_leaves_the_chosen_token_out_of_it() -> None:
    hidden, weight, ids = case(5)
    traced = [ray(hidden, weight, tokens, direction="contrast") for tokens in (ids, (ids + 7) % 61)]
    torch.testing.assert_close(traced[0].direction, traced[1].direction, rtol=0, atol=0)
    assert not torch.equal(traced[0].gradient_norm, traced[1].gradient_norm)


def test_contrast_of_equal_rows_leaves_the_state_where_it_is() -> None:
    weight = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    inputs = torch.tensor([[1.0, 0.0]]), weight, torch.tensor([2])
    for compute in (stability_features, reference_features):
        features = compute(*inputs, direction="contrast")
        assert column(features, "l2_dist_hidden_perturbed_from_original_max").item() == 0
        assert column(features, "epsilon_to_flip_token").item() == math.inf
        assert column(features, "jacobian_norm_token").item() > 1


@every_direction
def test_blocks_and_sweeps_give_the_same(direction: Any) -> None:
    hidden, weight, ids = case(9, tokens=11, vocab=300)
    grids = [Grid(20.0, 5), Grid(4.0, 1), Grid(0.5, 7)]
    together = stability_features_sweep(hidden, weight, ids, grids, direction=direction, seed=5)
    for grid, features in zip(grids, together, strict=True):
        alone = stability_features(hidden, weight, ids, *grid, direction=direction, seed=5)
        torch.testing.assert_close(features, alone, rtol=0, atol=0)
    small = {"direction": direction, "seed": 5, "max_scratch_bytes": 8 * 300 * 2}
    apart = stability_features_sweep(hidden, weight, ids, grids, **small)
    for grid, a, b in zip(grids, apart, together, strict=True):
        rounding = 2 * logit_rounding(hidden, weight, ids, grid.radius, direction=direction, seed=5)
        same = torch.isclose(a, b, rtol=1e-5, atol=1e-5) | ((a - b).abs() <= rounding[:, None])
        assert same.all(), [FEATURE_NAMES[column] for _, column in (~same).nonzero().tolist()]


@every_direction
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_argmax_holds_before_the_flip_and_never_returns(direction: Any, seed: int) -> None:
    inputs = case(seed, tokens=4)
    exact = flip_radius(*inputs, direction=direction)
    logits, slope = (x.double() for x in ray(*inputs, direction=direction)[:2])
    for token, radius in enumerate(exact.tolist()):
        start = int(logits[token].argmax())
        before = 1e4 if math.isinf(radius) else radius * (1 - 1e-4)
        assert int((logits[token] + before * slope[token]).argmax()) == start
        if math.isfinite(radius):
            for after in (radius * (1 + 1e-4) + 1e-5, radius + 1, 10 * radius + 100):
                assert int((logits[token] + after * slope[token]).argmax()) != start


def test_a_certain_token_moves_where_no_gradient_is_needed() -> None:
    weight = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    inputs = torch.tensor([[200.0, 0.0]]), weight, torch.tensor([0])
    moved = {
        direction: column(
            stability_features(*inputs, direction=direction), "l2_dist_hidden_perturbed_from_original_max"
        ).item()
        for direction in DIRECTIONS
    }
    assert moved == {"gradient": 0.0, "opposite": 0.0, "random": 20.0, "contrast": 20.0}


def test_logits_that_fall_very_far_are_still_the_runner_up() -> None:
    """Two mirrored entries 200·ε apart: at the far end the second logit is 17,000 below the mean."""
    weight = torch.tensor([[100.0], [-100.0]])
    features = stability_features(torch.tensor([[0.01]]), weight, torch.tensor([0]), 100.0, 1, direction="opposite")
    assert column(features, "perturbed_margin_logit_top1_top2_mean").item() == pytest.approx(20_002, rel=1e-6)


@pytest.mark.parametrize("compute", [stability_features, reference_features, flip_radius, ray])
def test_refuses_what_is_no_direction_and_no_seed(compute: Any) -> None:
    with pytest.raises(ValueError, match="Expected `direction` to be one of gradient, random, opposite, contrast, but"):
        compute(*case(10), direction="down")
    for seed in (-1, 0.5, True, "1"):
        with pytest.raises(ValueError, match="Expected `seed` to be an integer of at least 0, but got"):
            compute(*case(10), direction="random", seed=seed)
