import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.perturbation import (
    FEATURE_NAMES,
    Grid,
    Head,
    flip_radius,
    reference_features,
    stability_features,
    stability_features_sweep,
)

SEEDS = st.integers(0, 2**31 - 1)


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


def test_names_are_75_and_distinct() -> None:
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 75
    assert FEATURE_NAMES[14] == "pei_value_token"
    assert FEATURE_NAMES[15] == "perturbed_log_prob_actual_min"
    assert FEATURE_NAMES[74] == "l2_dist_hidden_perturbed_from_original_std"


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, vocab=st.integers(2, 700), steps=st.integers(1, 6), radius=st.floats(0.1, 30))
def test_equals_the_step_by_step_reference(seed: int, vocab: int, steps: int, radius: float) -> None:
    hidden, weight, ids = case(seed, tokens=3, vocab=vocab)
    flip = FEATURE_NAMES.index("epsilon_to_flip_token")
    fast = stability_features(hidden, weight, ids, radius, steps)
    slow = reference_features(hidden, weight, ids, radius, steps)
    # A tie within rounding may fall on either side of a grid radius.
    exact = flip_radius(hidden, weight, ids)[:, None]
    radii = torch.tensor(Grid(radius, steps).radii())
    clear = ((exact - radii).abs() > 1e-3 * radii).all(1)
    # Autograd takes p − 1 as a difference, which float32 cannot do where p is nearly 1.
    clear &= column(slow, "original_prob_actual") < 0.99
    torch.testing.assert_close(fast[clear, flip], slow[clear, flip])
    near(fast[clear], slow[clear])


def by_hand(hidden: Any, weight: Any, token: Any, radius: Any, steps: Any) -> tuple[Any, list[Any]]:
    """Float64 features of one token from the defining sums: an oracle that shares no code with the package."""
    hidden, weight = hidden.double(), weight.double()
    target = torch.nn.functional.one_hot(torch.tensor(token), len(weight)).double()
    start = weight @ hidden
    gradient = weight.T @ (start.softmax(0) - target)
    states = [hidden + k * radius / steps * gradient / gradient.norm() for k in range(1, steps + 1)]
    return start.log_softmax(0), [(weight @ state).log_softmax(0) for state in states]


def test_divergences_entropy_and_integral_by_their_definitions() -> None:
    hidden, weight, ids = case(1, tokens=1)
    features = stability_features(hidden, weight, ids, 5.0, 4)[0]
    log_p0, path = by_hand(hidden[0], weight, int(ids[0]), 5.0, 4)
    p0 = log_p0.exp()
    kl = torch.stack([(p0 * (log_p0 - log_pk)).sum() for log_pk in path])
    js_parts, entropies = [], []
    for log_pk in path:
        pk = log_pk.exp()
        m = (p0 + pk) / 2
        js_parts.append((m * (m.log() - log_p0)).sum() / 2 + (m * (m.log() - log_pk)).sum() / 2)
        entropies.append(-(pk * (pk + 1e-6).log()).sum())
    js, entropy = torch.stack(js_parts), torch.stack(entropies)
    drops = [0.0] + [max(0.0, float((log_p0 - log_pk)[ids[0]])) for log_pk in path]
    integral = sum((a + b) / 2 for a, b in pairwise(drops)) / 4

    stems = {"kl_div_perturbed_from_original": kl, "js_div_perturbed_from_original": js, "perturbed_entropy": entropy}
    for stem, values in stems.items():
        for name, expected in (
            ("min", values.min()),
            ("max", values.max()),
            ("mean", values.mean()),
            ("std", values.std(unbiased=False)),
        ):
            near(column(features, f"{stem}_{name}").double(), expected, 1e-5)
    near(column(features, "pei_value_token").double(), torch.tensor(integral).double(), 1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, radius=st.floats(1e-3, 20))
def test_divergences_hold_at_tiny_radii_too(seed: int, radius: float) -> None:
    hidden, weight, ids = case(seed, tokens=1)
    log_p0, (log_p1,) = by_hand(hidden[0], weight, int(ids[0]), radius, 1)
    features = stability_features(hidden, weight, ids, radius, 1)[0].double()
    kl = (log_p0.exp() * (log_p0 - log_p1)).sum()
    m = (log_p0.exp() + log_p1.exp()) / 2
    js = (m * (m.log() - (log_p0 + log_p1) / 2)).sum()
    near(column(features, "kl_div_perturbed_from_original_mean"), kl, 1e-5)
    near(column(features, "js_div_perturbed_from_original_mean"), js, 1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, radius=st.floats(1, 30), steps=st.integers(1, 30))
def test_grid_flip_is_the_exact_flip_rounded_up(seed: int, radius: float, steps: int) -> None:
    hidden, weight, ids = case(seed)
    on_grid = column(stability_features(hidden, weight, ids, radius, steps), "epsilon_to_flip_token")
    for exact, found in zip(flip_radius(hidden, weight, ids).tolist(), on_grid.tolist(), strict=True):
        radii = Grid(radius, steps).radii()
        if any(math.isclose(exact, r, rel_tol=1e-4) for r in radii):
            continue
        rounded_up = next((r for r in radii if r > exact), math.inf)
        assert found == pytest.approx(rounded_up, rel=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, vocab=st.sampled_from([61, 300, 512]))
def test_order_of_the_vocabulary_does_not_matter(seed: int, vocab: int) -> None:
    hidden, weight, ids = case(seed, vocab=vocab)
    order = torch.randperm(vocab, generator=torch.Generator().manual_seed(seed))
    moved = stability_features(hidden, weight[order], torch.argsort(order)[ids], 3.0, 4)
    near(moved, stability_features(hidden, weight, ids, 3.0, 4), 2e-5)


def test_sweep_equals_single_calls() -> None:
    hidden, weight, ids = case(3)
    grids = [Grid(20.0, 5), Grid(4.0, 1), Grid(0.5, 7), Grid(20.0, 10)]
    together = stability_features_sweep(hidden, weight, ids, grids)
    assert together.shape == (4, 6, 75)
    for grid, features in zip(grids, together, strict=True):
        torch.testing.assert_close(features, stability_features(hidden, weight, ids, *grid), rtol=0, atol=0)


def test_blocks_of_tokens_and_single_tokens_give_the_same() -> None:
    hidden, weight, ids = case(4, tokens=11, vocab=300)
    whole = stability_features(hidden, weight, ids, 3.0)
    for tokens in (1, 2, 4):
        near(stability_features(hidden, weight, ids, 3.0, max_scratch_bytes=8 * 300 * tokens), whole, 1e-5)
    alone = torch.cat([stability_features(hidden[i : i + 1], weight, ids[i : i + 1], 3.0) for i in range(11)])
    near(alone, whole, 1e-5)


def test_cast_by_runs_of_rows_equals_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight, ids = case(5)
    monkeypatch.setattr("ccps.perturbation.products._CAST_BYTES", 4 * weight.shape[1] * 7)
    low = weight.bfloat16()
    near(stability_features(hidden, low, ids, 3.0), stability_features(hidden, low.float(), ids, 3.0), 1e-5)


def test_low_precision_inputs_equal_the_same_numbers_in_float32() -> None:
    hidden, weight, ids = case(6)
    hidden, weight = hidden.bfloat16(), weight.half()
    same = stability_features(hidden.float(), weight.float(), ids.int())
    torch.testing.assert_close(stability_features(hidden, weight, ids), same, rtol=1e-5, atol=1e-5)


def test_bias_shifts_the_logits_and_not_the_slope() -> None:
    hidden, weight, ids = case(7)
    bias = torch.randn(61, generator=torch.Generator().manual_seed(8)) * 3
    features = stability_features(hidden, weight, ids, 3.0, bias=bias)
    near(features, reference_features(hidden, weight, ids, 3.0, bias=bias))
    assert not torch.allclose(features, stability_features(hidden, weight, ids, 3.0))


def test_step_lengths_are_exact_constants() -> None:
    features = stability_features(*case(9), 20.0, 5)
    stem = "l2_dist_hidden_perturbed_from_original"
    for name, value in (("min", 4.0), ("max", 20.0), ("mean", 12.0), ("std", math.sqrt(32))):
        assert (column(features, f"{stem}_{name}") == torch.tensor(value)).all()


def test_long_rays_stay_finite_but_for_the_flip() -> None:
    hidden, weight, ids = case(10, scale=8.0)
    features = stability_features(hidden, weight * 3, ids, 300.0, 3)
    finite = torch.isfinite(features)
    finite[:, FEATURE_NAMES.index("epsilon_to_flip_token")] = True
    assert finite.all()


def test_a_logit_tied_at_the_top_is_no_flip() -> None:
    weight = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    features = stability_features(torch.tensor([[1.0, 0.0]]), weight, torch.tensor([2]), 1.0, 2)
    assert column(features, "original_margin_logit_top1_top2").item() == 0
    assert column(features, "epsilon_to_flip_token").item() == math.inf
    assert column(features, "perturbed_margin_logit_top1_top2_max").item() == 0


def test_no_tokens_give_no_rows() -> None:
    _, weight, _ = case(11)
    none = torch.empty(0, 9), weight, torch.empty(0, dtype=torch.long)
    assert stability_features(*none).shape == (0, 75)
    assert stability_features_sweep(*none, [Grid(), Grid(1.0, 2)]).shape == (2, 0, 75)
    assert reference_features(*none).shape == (0, 75)
    assert flip_radius(*none).shape == (0,)


def test_parameters_that_require_gradients_are_read_only() -> None:
    hidden, weight, ids = case(12)
    before = weight.clone()
    features = stability_features(hidden, torch.nn.Parameter(weight), ids)
    assert not features.requires_grad
    torch.testing.assert_close(weight, before, rtol=0, atol=0)


@pytest.mark.parametrize("compute", [stability_features, reference_features])
def test_refuses_what_is_no_grid(compute: Any) -> None:
    for radius in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="Expected `radius` to be a positive finite number, but got"):
            compute(*case(13), radius)
    for steps in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="Expected `steps` to be a positive integer, but got"):
            compute(*case(13), 1.0, steps)


def test_refuses_a_sweep_over_nothing() -> None:
    with pytest.raises(ValueError, match="Expected `grids` to be one or more"):
        stability_features_sweep(*case(13), [])


HEAD = "Pass the head's weight with one row per vocabulary entry, dequantised if need be."
LENGTHS = "Give one id per state."
TOKENIZER = "Check that tokenizer and head belong to the same model."


def bad_inputs() -> Iterator[tuple[str, tuple[Any, Any, Any]]]:
    hidden, weight, ids = case(14)
    nan = hidden.clone()
    nan[2, 3] = math.nan
    states = "`hidden` to be floating point [tokens, d], but got"
    yield f"{states} float32 [9]. Stack one state per token.", (hidden[0], weight, ids)
    yield f"{states} int64 [6, 9]. Stack one state per token.", (hidden.long(), weight, ids)
    yield "`hidden` to be finite, but got NaN or inf in 1 of 6 states. Drop these tokens.", (nan, weight, ids)
    rows = "`weight` to be floating point [vocab ≥ 2, 9], but got"
    yield f"{rows} float32 [61, 4]. {HEAD}", (hidden, weight[:, :4], ids)
    yield f"{rows} int8 [61, 9]. {HEAD}", (hidden, weight.to(torch.int8), ids)
    yield f"{rows} float32 [1, 9]. {HEAD}", (hidden, weight[:1], ids * 0)
    yield f"`token_ids` to be integers [6], but got int64 [2]. {LENGTHS}", (hidden, weight, ids[:2])
    yield f"`token_ids` to be integers [6], but got float32 [6]. {LENGTHS}", (hidden, weight, ids.float())
    ids[0], ids[1] = 0, 60
    within = "`token_ids` to be within 0 to 60, but got"
    yield f"{within} 61 to 121. {TOKENIZER}", (hidden, weight, ids + 61)
    yield f"{within} -61 to -1. {TOKENIZER}", (hidden, weight, ids - 61)
    yield f"{within} 1 to 61. {TOKENIZER}", (hidden, weight, ids + 1)
    yield f"{within} -1 to 59. {TOKENIZER}", (hidden, weight, ids - 1)


@pytest.mark.parametrize(("message", "inputs"), list(bad_inputs()))
def test_refuses_wrong_inputs_and_says_what_they_are(message: str, inputs: Any) -> None:
    for compute in (stability_features, reference_features, flip_radius):
        with pytest.raises(ValueError, match=f"^Expected {re.escape(message)}$"):
            compute(*inputs)


def bad_options() -> Iterator[tuple[str, dict[str, Any]]]:
    numbers = "Give one number per row of `weight`, or None."
    yield f"`bias` to be floating point [61], but got float32 [60]. {numbers}", {"bias": torch.zeros(60)}
    yield f"`bias` to be floating point [61], but got int64 [61]. {numbers}", {"bias": torch.zeros(61).long()}
    for softcap in (0.0, -1.0, math.inf, math.nan):
        what = f"`softcap` to be a positive finite number or None, but got {softcap}. Pass the model's own."
        yield what, {"softcap": softcap}
    yield "`radius` to be a positive finite number, but got 0.0. The paper's is 20.0.", {"radius": 0.0}
    yield "`steps` to be a positive integer, but got 2.5. The paper's is 5.", {"steps": 2.5}
    yield "`seed` to be an integer of at least 0, but got -1. It chooses the random directions.", {"seed": -1}
    ways = "one of gradient, random, opposite, contrast"
    yield f"`direction` to be {ways}, but got 'down'. The paper's is gradient.", {"direction": "down"}


@pytest.mark.parametrize(("message", "options"), list(bad_options()))
def test_refuses_wrong_options_and_says_what_they_are(message: str, options: Any) -> None:
    with pytest.raises(ValueError, match=f"^Expected {re.escape(message)}$"):
        stability_features(*case(14), **options)


@pytest.mark.parametrize("name", ["bias", "softcap"])
def test_a_head_has_its_own_bias_and_soft_cap(name: str) -> None:
    hidden, weight, ids = case(14)
    given: dict[str, Any] = {"bias": torch.zeros(61), "softcap": 5.0}
    expected = f"Expected `{name}` to be None beside a head, which has its own, but got another one. Leave it out."
    with pytest.raises(ValueError, match=f"^{expected}$"):
        stability_features(hidden, Head(weight), ids, **{name: given[name]})


@pytest.mark.parametrize("name", ["weight", "token_ids", "bias"])
def test_refuses_what_lies_on_another_device_and_names_it(name: str) -> None:
    hidden, weight, ids = case(16)
    given: dict[str, Any] = {"weight": weight, "token_ids": ids, "bias": torch.zeros(61)}
    given[name] = given[name].to("meta")
    expected = f"Expected `{name}` to be on cpu, but got one on meta. Move it beside `hidden`."
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        stability_features(hidden, **given)


def test_refuses_a_wrong_bias_a_broken_weight_and_no_scratch() -> None:
    hidden, weight, ids = case(15)
    with pytest.raises(ValueError, match="Expected `bias` to be"):
        stability_features(hidden, weight, ids, bias=torch.zeros(60))
    with pytest.raises(ValueError, match="Expected `max_scratch_bytes` to be positive"):
        stability_features(hidden, weight, ids, max_scratch_bytes=0)
    weight[5, 5] = math.inf
    with pytest.raises(ValueError, match="Expected `weight` to give finite logits"):
        stability_features(hidden, weight, ids)
