"""Unit directions along which hidden states are moved.

The gradient g = Wᵀ(p − e_t) of −ln p_t points away from the token t that the model chose (CCPS, arXiv 2505.21772).
Three others say what is particular to it:

| direction | unit vector | the state moves |
|---|---|---|
| `gradient` | g/‖g‖ | away from the chosen token |
| `opposite` | −g/‖g‖ | towards the chosen token |
| `random` | uniform on the sphere | nowhere in particular |
| `contrast` | W_2 − W_1, normalised | from the first choice m_1 straight to the runner-up m_2 |

where W_1 and W_2 are the rows of the two largest logits of the unmoved state, whichever token was chosen. A soft cap
keeps the order of logits: it changes g, and the two directions made from it alone.
"""

import hashlib
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ccps.perturbation.tiles import cache_tiles

Direction = Literal["gradient", "random", "opposite", "contrast"]

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

FLAT_GRADIENT = 1e-9
"""A gradient no longer than this has no direction: the state stays where it is (released code of CCPS)."""


def gradient_directions(gradient: Tensor, norm: Tensor) -> Tensor:
    """Divide gradients `[tokens, d]` by `norm` `[tokens]`, −‖g‖ for the opposite; zero where they are flat."""
    return torch.where((norm.abs() > FLAT_GRADIENT)[:, None], gradient / norm[:, None], 0.0)


def random_directions(hidden: Tensor, seed: int) -> Tensor:
    """Draw directions `[tokens, d]` uniformly from the sphere, each from `seed` and the bytes of its own state.

    A token therefore keeps its direction in every block, batch and shard, other tokens get other directions, and
    equal states equal ones. The draw happens on the CPU: it is the same on every device.
    """
    draws = np.empty(hidden.shape, dtype=np.float32)
    for state, draw in zip(hidden.cpu().numpy(), draws, strict=True):
        key = int.from_bytes(hashlib.blake2b(state.tobytes(), digest_size=16).digest())
        np.random.default_rng([seed, key]).standard_normal(dtype=np.float32, out=draw)
    directions = torch.from_numpy(draws)
    directions /= directions.norm(dim=1, keepdim=True)
    return directions.to(hidden.device)


def contrast_directions(logits: Tensor, weight: Tensor) -> Tensor:
    """Point from each first choice's row of `weight` to its runner-up's, `[tokens, d]`; zero where they are equal.

    Of equal logits the first in the vocabulary comes first.
    """
    top = logits.argmax(dim=1, keepdim=True)
    second = torch.empty_like(top)
    for rows in cache_tiles(logits):
        second[rows] = logits[rows].scatter(1, top[rows], -torch.inf).argmax(dim=1, keepdim=True)
    contrast = weight[second[:, 0]].float() - weight[top[:, 0]].float()
    norm = contrast.norm(dim=1, keepdim=True)
    return torch.where(norm > 0, contrast / norm, 0.0)
