"""Many radii at once against the same radii a few at a time, which is the exact way."""

import math
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.perturbation import FEATURE_NAMES, Grid, many, ray, stability_features_sweep
from ccps.perturbation.many import MANY
from ccps.perturbation.reductions import follow_exactly, reduce_path

GRIDS = [Grid(float(radius), steps) for radius in (0.5, 2.0, 7.3, 20.0, 33.1, 100.0) for steps in (1, 3, 10, 20)]


def case(
    seed: int, vocab: int = 3000, width: int = 24, tokens: int = 3, scale: float = 0.5, reach: float = 12.0
) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """States whose logits spread as those of real models do, and slopes that are small beside them."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(vocab, width, generator=generator) * scale / width**0.5
    hidden = torch.randn(tokens, width, generator=generator) * reach / scale
    return hidden, weight, (hidden @ weight.T).argmax(1)


def one_by_one(hidden: torch.Tensor, weight: Any, ids: Any, **options: Any) -> torch.Tensor:
    """Every grid in a call of its own, none of them of many radii."""
    assert max(len(grid.radii()) for grid in GRIDS) < MANY
    return torch.stack([stability_features_sweep(hidden, weight, ids, [grid], **options)[0] for grid in GRIDS])


def near(found: Any, wanted: Any) -> None:
    flips = FEATURE_NAMES.index("epsilon_to_flip_token")
    torch.testing.assert_close(found[..., flips], wanted[..., flips], rtol=1e-6, atol=0)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.fixture
def never_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpolation must do without its way out."""

    def refuse(*_: Any) -> None:
        raise AssertionError("reduced at every radius")

    monkeypatch.setattr(many, "follow_exactly", refuse)


@pytest.mark.usefixtures("never_exactly")
@pytest.mark.parametrize("direction", ["gradient", "random", "opposite", "contrast"])
def test_interpolation_equals_single_grids(direction: Literal["gradient", "random", "opposite", "contrast"]) -> None:
    arguments = case(1)
    near(
        stability_features_sweep(*arguments, GRIDS, direction=direction),
        one_by_one(*arguments, direction=direction),
    )


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**16),
    scale=st.sampled_from([0.1, 0.7, 3.0]),
    reach=st.sampled_from([1.0, 4.0, 20.0]),
    vocab=st.sampled_from([70, 513, 2000]),
)
def test_any_head_gives_what_single_grids_give(seed: int, scale: float, reach: float, vocab: int) -> None:
    arguments = case(seed, vocab=vocab, scale=scale, reach=reach, tokens=2)
    near(stability_features_sweep(*arguments, GRIDS), one_by_one(*arguments))


def test_most_of_a_real_spread_is_light_and_no_heavy_entry_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight, ids = case(2, vocab=20_000, tokens=2, reach=8.0, scale=0.2)
    seen = []
    is_heavy = many._is_heavy
    monkeypatch.setattr(many, "_is_heavy", lambda *given: seen.append(is_heavy(*given).clone()) or seen[-1])  # type: ignore[func-returns-value]
    stability_features_sweep(hidden, weight, ids, GRIDS)
    marked = torch.cat(seen)[:, :20_000]
    assert marked.float().mean() < 0.5
    logits, slope, _, _ = ray(hidden, weight, ids)
    for radius in torch.linspace(0, 100, 101):
        moved = (logits + radius * slope).double()
        assert marked[moved.softmax(1) > 2e-7].all()
        assert marked.gather(1, moved.topk(2).indices).all()


def test_where_it_does_not_converge_every_radius_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = case(3)
    monkeypatch.setattr(many, "TOLERANCE", -1.0)
    torch.testing.assert_close(stability_features_sweep(*arguments, GRIDS), one_by_one(*arguments), rtol=0, atol=0)


@pytest.mark.usefixtures("never_exactly")
def test_saturated_and_flat_tokens() -> None:
    hidden, weight, ids = case(4, tokens=4)
    hidden[0] *= 40  # one token is certain, far beyond rounding
    hidden[1] *= 1e-4  # all tokens are alike
    ids = (hidden @ weight.T).argmax(1)
    near(stability_features_sweep(hidden, weight, ids, GRIDS), one_by_one(hidden, weight, ids))


def test_reductions_themselves_against_float64() -> None:
    hidden, weight, ids = case(5)
    traced = ray(hidden, weight, ids)
    radii = torch.linspace(0.7, 90, 60).tolist()
    path = reduce_path(traced, radii, many.follow_many).path
    exact = reduce_path(traced, radii, follow_exactly).path
    assert torch.equal(path.changed, exact.changed)
    start = traced.logits.double().log_softmax(1)
    for place, radius in enumerate(radii):
        end = (traced.logits.double() + radius * traced.slope.double()).log_softmax(1)
        p, p0 = end.exp(), start.exp()
        middle = (p + p0) / 2
        mixed = (middle * (middle.log() - (start + end) / 2)).sum(1)
        entropy = -(p * (p + 1e-6).log()).sum(1)
        divergence = (p0 * (start - end)).sum(1)
        for found, wanted in (
            (path.mixture_divergence, mixed),
            (path.entropy, entropy),
            (path.divergence, divergence),
        ):
            torch.testing.assert_close(found[:, place].double(), wanted, rtol=1e-5, atol=1e-5)


def sums(seed: int, degree: int, nodes: int = 16, longest: float = 20.0) -> Any:
    """Sums of one token at the nodes that are polynomials of some degree in the radius."""
    generator = torch.Generator().manual_seed(seed)
    powers = torch.from_numpy(many._nodes(nodes, longest) / longest)[:, None] ** torch.arange(degree + 1)
    columns = torch.rand(7, degree + 1, generator=generator).double() @ powers.T
    return many._Light(*columns[:, None])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**16))
def test_the_estimated_error_is_that_of_the_worst_token_and_none_of_what_is_interpolated_exactly(seed: int) -> None:
    """Sixteen intervals carry a polynomial of degree 13 without a remainder in its last three coefficients."""
    smooth, rough, faint = sums(seed, degree=13), sums(seed + 1, degree=16), sums(seed + 2, degree=16)
    assert many._error(smooth, 20.0) < 1e-5 * many._error(rough, 20.0)
    # Light entries of next to no mass: an error of their logarithms matters as little.
    faint = faint._replace(log_sum=faint.log_sum - 40, mixture=0 * faint.mixture, original=0 * faint.original)
    assert many._error(faint, 20.0) < 1e-9 * many._error(rough, 20.0)
    # Only if tokens are mixed up do the rough sums of the one have the mass of the other.
    both = many._Light(*(torch.cat(pair) for pair in zip(faint, smooth, strict=True)))
    assert many._error(both, 20.0) < 1e-5 * many._error(rough, 20.0)
    both = many._Light(*(torch.cat(pair) for pair in zip(rough, smooth, strict=True)))
    assert many._error(both, 20.0) == pytest.approx(many._error(rough, 20.0), rel=1e-9)


@pytest.mark.parametrize(
    ("rough", "error"),
    [
        # The share of light entries is exp(ln U − D), which is largest where ln U stands out upwards.
        ({"log_sum": 0.001}, math.exp(0.001) * 0.001 * math.log(1e6)),
        ({"square": 0.02}, 0.02),
        ({"cube": 0.02}, 0.02),
        ({"slope": 0.02}, 0.02 * 20.0),
        ({"divergence": 0.1}, math.exp(0.1) * 0.1**2),
        ({"mixture": 0.02}, 0.02),
        ({"original": 0.02}, 0.0),
        ({"original": 0.02, "divergence": 0.1}, math.exp(0.1) * 0.1**2 + 0.02 * 0.1),
        ({"square": 0.02, "cube": 0.01, "slope": 0.03, "mixture": 0.04}, 0.02 + 0.01 + 0.03 * 20.0 + 0.04),
    ],
)
def test_the_estimated_error_by_hand(rough: dict[str, float], error: float) -> None:
    """T_16 is 1 and −1 in turn at its own extremes: a multiple of it is its last coefficient alone."""
    alternating = torch.tensor([(-1.0) ** place for place in range(17)], dtype=torch.float64)
    values = {name: torch.full((1, 17), 0.0, dtype=torch.float64) for name in many._Light._fields}
    for name, size in rough.items():
        values[name] = size * alternating[None]
    assert many._error(many._Light(**values), 20.0) == pytest.approx(error, rel=1e-9, abs=1e-12)


def test_light_entries_that_hold_a_share_are_summed_up_rightly() -> None:
    """200,000 entries of about 1e-7 each beside one that is nearly certain: a fiftieth of all is light."""
    generator = torch.Generator().manual_seed(7)
    vocab = 200_000
    logits = 0.2 * torch.randn(1, vocab, generator=generator)
    logits[0, 17] = math.log(vocab) + math.log(49)
    slope = 0.1 * torch.randn(1, vocab, generator=generator)
    traced = ray(*case(8))._replace(logits=logits, slope=slope)
    radii = [0.05 * (1 + step) for step in range(60)]
    path = reduce_path(traced, radii, many.follow_many).path
    start = logits.double().log_softmax(1)
    for place in (0, 20, 59):
        end = (logits.double() + radii[place] * slope.double()).log_softmax(1)
        p, p0 = end.exp(), start.exp()
        light = p[p < 2e-7].sum().item()
        assert 0.015 < light < 0.03
        middle = (p + p0) / 2
        for found, wanted in (
            (path.mixture_divergence, (middle * (middle.log() - (start + end) / 2)).sum(1)),
            (path.entropy, -(p * (p + 1e-6).log()).sum(1)),
            (path.divergence, (p0 * (start - end)).sum(1)),
        ):
            torch.testing.assert_close(found[:, place].double(), wanted, rtol=2e-5, atol=2e-6)
