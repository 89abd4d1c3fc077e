"""The exact radius at which the prediction gives way."""

import torch
from torch import Tensor

from ccps.perturbation.directions import Direction
from ccps.perturbation.head import Head
from ccps.perturbation.inputs import checked
from ccps.perturbation.rays import MAX_SCRATCH_BYTES, ray_blocks
from ccps.perturbation.tiles import cache_tiles


def flip_radius(
    hidden: Tensor,
    weight: Tensor | Head,
    token_ids: Tensor,
    *,
    bias: Tensor | None = None,
    direction: Direction = "gradient",
    seed: int = 0,
    softcap: float | None = None,
    max_scratch_bytes: int = MAX_SCRATCH_BYTES,
) -> Tensor:
    """Compute the smallest radius beyond which the original argmax is no longer the largest logit.

    Logits are lines along the ray, so entry j overtakes the argmax m at (L0_m − L0_j)/(S_j − S_m) if
    S_j > S_m, and once overtaken m never leads again, whatever the direction. A soft cap turns the lines into curves,
    but as it increases with the logit they cross where the lines do: the radius is exact with a cap as well.

    Args:
        hidden: final-normed hidden states, `[tokens, d]`.
        weight: rows of the linear head, `[vocab, d]`, or the whole `Head`.
        token_ids: the token that each state predicted, `[tokens]`.
        bias: bias of the head, `[vocab]`.
        direction: where the states are moved, as in `stability_features`.
        seed: seed of the random direction.
        softcap: the head's soft cap, of which only the gradient takes notice.
        max_scratch_bytes: bound of the logits held at a time, as in `stability_features`.

    Returns:
        float32 `[tokens]`, in units of the hidden state; inf where the argmax leads for ever.

    Raises:
        ValueError: an input is of the wrong shape, type or range.
    """
    inputs = checked(hidden, weight, token_ids, bias, direction, seed, softcap)
    radius = inputs.hidden.new_empty(len(hidden))
    with torch.no_grad():
        for part, _, ray in ray_blocks(inputs, max_scratch_bytes):
            for rows in cache_tiles(ray.logits):
                radius[part][rows] = _first_crossing(ray.logits[rows], ray.slope[rows])
    return radius


def _first_crossing(logits: Tensor, slope: Tensor) -> Tensor:
    top = logits.argmax(dim=1, keepdim=True)
    gap = logits.gather(1, top) - logits
    closing = slope - slope.gather(1, top)
    return torch.where(closing > 0, gap / closing, torch.inf).amin(dim=1)
