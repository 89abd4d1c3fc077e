"""The ray: a perturbed state's logits are a straight line per vocabulary entry.

The final hidden state h feeds a linear head, so moving it by ε along a unit direction d moves the logits
by ε·W d. CCPS moves against the token t that the model chose, up the gradient of −ln p_t, which has a
closed form; `directions` has other ways to go:

    L0 = W h + b      p = softmax(L0)      g = Wᵀ(p − e_t)      d = g/‖g‖      S = W d      L(ε) = L0 + ε·S

Three products with W hold everything; no autograd, and no further product for any ε. Where a direction needs no
gradient, its norm is a feature all the same.

A soft cap c bends the lines after the fact: the model says c·tanh(L(ε)/c), and p and g are those of what it says,

    p = softmax(c·tanh(L0/c))      g = Wᵀ[(p − e_t) ∘ (1 − tanh²(L0/c))]
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ccps.perturbation.directions import (
    Direction,
    contrast_directions,
    gradient_directions,
    random_directions,
)
from ccps.perturbation.head import Head
from ccps.perturbation.inputs import Inputs, checked
from ccps.perturbation.products import CAST, Products
from ccps.perturbation.softcap import cap_slope, soft_capped
from ccps.perturbation.tiles import cache_tiles

MAX_SCRATCH_BYTES = 256 * 2**20
"""Default bound of the two `[tokens, vocab]` buffers. Larger blocks read the head's weight less often."""

LOWEST_EXPONENT = -70.0
"""Exponents are cut here, at e⁻⁷⁰ ≈ 4e-31: below e⁻⁸⁷ float32 is subnormal, and 20 to 100 times slower."""


class Ray(NamedTuple):
    """Where each token's logits start and how they move, all float32; before a soft cap, if there is one."""

    logits: Tensor
    """Logits of the unmoved state, L0 `[tokens, vocab]`."""
    slope: Tensor
    """Change of each logit per unit of radius, S `[tokens, vocab]`; zero where there is no direction."""
    gradient_norm: Tensor
    """‖g‖ `[tokens]`, whatever the direction."""
    direction: Tensor
    """Unit direction of the perturbation `[tokens, d]`; zero where there is none, and the state stays unmoved."""


def ray(
    hidden: Tensor,
    weight: Tensor | Head,
    token_ids: Tensor,
    *,
    bias: Tensor | None = None,
    direction: Direction = "gradient",
    seed: int = 0,
    softcap: float | None = None,
) -> Ray:
    """Trace the ray of every token; the result holds two `[tokens, vocab]` tensors.

    Args:
        hidden: final-normed hidden states, `[tokens, d]`.
        weight: rows of the linear head, `[vocab, d]`, or the whole `Head`.
        token_ids: the token that each state predicted, `[tokens]`.
        bias: bias of the head, `[vocab]`.
        direction: where the states are moved, as in `stability_features`.
        seed: seed of the random direction.
        softcap: the head's soft cap, which the gradient goes through; the lines are those before it.

    Raises:
        ValueError: an input is of the wrong shape, type or range.

    Source: CCPS, arXiv 2505.21772; the closed form follows from the linearity of the head.
    """
    inputs = checked(hidden, weight, token_ids, bias, direction, seed, softcap)
    shape = (len(inputs.hidden), len(inputs.head.weight))
    with torch.no_grad():
        return trace(inputs, inputs.hidden.new_empty(shape), inputs.hidden.new_empty(shape))


def ray_blocks(
    inputs: Inputs, max_scratch_bytes: int, products: Products = CAST
) -> Iterator[tuple[slice, Inputs, Ray]]:
    """Trace the rays of consecutive blocks of tokens; each block overwrites the buffers of the one before."""
    tokens, vocab = len(inputs.hidden), len(inputs.head.weight)
    if max_scratch_bytes < 1:
        message = f"Expected `max_scratch_bytes` to be positive, but got {max_scratch_bytes}."
        raise ValueError(f"{message} Leave it out for {MAX_SCRATCH_BYTES}.")
    block = min(tokens, max(1, max_scratch_bytes // (2 * 4 * vocab)))
    logits, slope = (inputs.hidden.new_empty((block, vocab)) for _ in range(2))
    for start in range(0, tokens, max(1, block)):
        part = slice(start, min(start + block, tokens))
        rows = part.stop - part.start
        within = inputs._replace(hidden=inputs.hidden[part], token_ids=inputs.token_ids[part])
        yield part, within, trace(within, logits[:rows], slope[:rows], products)


def trace(inputs: Inputs, logits: Tensor, slope: Tensor, products: Products = CAST) -> Ray:
    """Trace rays into the buffers `logits` and `slope`, both `[tokens, vocab]`.

    p_t − 1 is taken as −Σ p_j over the other entries: where p_t rounds to 1 the difference would be lost.
    """
    products.project(inputs.hidden, inputs.head.weight, logits)
    if inputs.head.bias is not None:
        logits += inputs.head.bias
    pull = slope  # the slope is only known once the gradient is: until then its buffer holds p − e_t
    for rows in cache_tiles(logits):
        said = soft_capped(logits[rows], inputs.head.softcap, out=pull[rows])
        top = said.amax(dim=1, keepdim=True)
        probs = torch.sub(said, top, out=pull[rows]).clamp_(min=LOWEST_EXPONENT).exp_()
        probs *= probs.sum(dim=1, keepdim=True).reciprocal()
        ids = inputs.token_ids[rows, None]
        probs.scatter_(1, ids, 0.0)
        probs.scatter_(1, ids, -probs.sum(dim=1, keepdim=True))
        if inputs.head.softcap is not None:
            probs *= cap_slope(logits[rows], inputs.head.softcap)
    gradient = products.pull_back(pull, inputs.head.weight)
    norm = gradient.norm(dim=1)
    direction = _directions(inputs, logits, gradient, norm)
    products.project(direction, inputs.head.weight, slope)
    return Ray(logits, slope, norm, direction)


def _directions(inputs: Inputs, logits: Tensor, gradient: Tensor, norm: Tensor) -> Tensor:
    match inputs.direction:
        case "gradient":
            return gradient_directions(gradient, norm)
        case "opposite":
            return gradient_directions(gradient, -norm)
        case "random":
            return random_directions(inputs.hidden, inputs.seed)
        case "contrast":
            return contrast_directions(logits, inputs.head.weight)
