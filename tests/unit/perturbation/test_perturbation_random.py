import hashlib
from typing import Any

import numpy as np
import torch
from scipy.stats import kstest

from ccps.perturbation import FEATURE_NAMES, ray, stability_features


def case(seed: int, tokens: int, width: int) -> tuple[Any, Any, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weight, hidden = torch.randn(61, width, generator=generator), torch.randn(tokens, width, generator=generator)
    return hidden, weight, torch.randint(61, (tokens,), generator=generator)


def column(features: torch.Tensor, name: str) -> torch.Tensor:
    return features[..., FEATURE_NAMES.index(name)]


def test_random_directions_are_uniform_on_the_sphere() -> None:
    """On the sphere of three dimensions every coordinate is uniform on [−1, 1] (Archimedes)."""
    hidden, weight, ids = case(6, tokens=3000, width=3)
    direction = ray(hidden, weight, ids, direction="random").direction
    torch.testing.assert_close(direction.norm(dim=1), torch.ones(3000))
    for coordinate in direction.T:
        assert kstest(coordinate.numpy(), "uniform", args=(-1, 2)).pvalue > 1e-3
    towards_state = torch.nn.functional.cosine_similarity(hidden, direction)
    assert kstest(towards_state.numpy(), "uniform", args=(-1, 2)).pvalue > 1e-3


def test_random_moves_are_nearly_at_right_angles_in_many_dimensions() -> None:
    hidden, weight, ids = case(7, tokens=200, width=256)
    features = stability_features(hidden, weight, ids, 20.0, 1, direction="random")
    norm = hidden.norm(dim=1)
    expected = norm / (norm**2 + 400).sqrt()
    found = column(features, "cosine_sim_hidden_perturbed_to_original_mean")
    assert (found - expected).mean().abs() < 0.01
    assert (found - expected).abs().max() < 0.2


def test_random_direction_follows_the_state_and_the_seed_alone() -> None:
    hidden, weight, ids = case(8, tokens=9, width=9)
    hidden = hidden.bfloat16().float()
    whole = ray(hidden, weight, ids, direction="random", seed=3).direction
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    same = {
        "in another order": ray(hidden[order], weight, ids[order], direction="random", seed=3).direction[
            order.argsort()
        ],
        "with other tokens": ray(hidden, weight, ids.flip(0), direction="random", seed=3).direction,
        "stored in bfloat16": ray(hidden.bfloat16(), weight, ids, direction="random", seed=3).direction,
        "one by one": torch.cat([ray(h[None], weight, ids[:1], direction="random", seed=3).direction for h in hidden]),
    }
    for how, direction in same.items():
        assert torch.equal(direction, whole), how
    assert len(whole.unique(dim=0)) == 9
    assert not torch.isclose(ray(hidden, weight, ids, direction="random", seed=4).direction, whole).all(1).any()


def test_random_directions_stay_what_they_are() -> None:
    """What was measured along them is kept on disk: the draw of a state and a seed is part of what is promised."""
    hidden, weight, ids = case(9, tokens=3, width=4)
    found = ray(hidden, weight, ids, direction="random", seed=7).direction
    for state, direction in zip(hidden.numpy(), found.numpy(), strict=True):
        key = int.from_bytes(hashlib.blake2b(state.astype("<f4").tobytes(), digest_size=16).digest(), "big")
        drawn = np.random.Generator(np.random.PCG64(np.random.SeedSequence([7, key]))).standard_normal(4, dtype="f4")
        np.testing.assert_allclose(direction, drawn / np.linalg.norm(drawn.astype(float)), rtol=1e-6)
