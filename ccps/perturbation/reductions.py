"""Vocabulary-wide reductions along the ray: from two `[tokens, vocab]` tensors to a few numbers per radius.

Along L(ε) = L0 + ε·S, written as z(ε) = ln p0 + ε·(S − E0[S]) with E0 the mean under p0, whatever the
direction that S belongs to:

1. ln Σ exp z(ε) = KL(p0‖pε), so one sum gives the divergence, with no difference of two large normalisers;
2. the released code's ½KL(M‖p0) + ½KL(M‖pε) over M = ½(p0 + pε) is Σ M·(ln 2M − ½ ln p0 − ½ ln pε) − ln 2,
   where ½ ln p0 + ½ ln pε is linear in ln p0 and S: one logarithm instead of three.

What is left per vocabulary entry and radius is one exponential and two logarithms.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ccps.perturbation.rays import LOWEST_EXPONENT, Ray
from ccps.perturbation.tiles import cache_tiles

ENTROPY_EPSILON = 1e-6
"""Added to each probability inside the entropy's logarithm, as in the released code of CCPS."""

_GROUP = 256
PADDING = -1e12  # below any entry: those of a long ray towards the chosen token fall by tens of thousands


class Start(NamedTuple):
    """The unmoved state and the line that leaves it, float32 `[tokens]`."""

    normalizer: Tensor
    """ln Σ exp L0."""
    argmax: Tensor
    """Index of the largest logit (the first, if several are)."""
    top: Tensor
    """Largest logit."""
    second: Tensor
    """Second largest logit."""
    entropy: Tensor
    """−Σ p0·ln(p0 + 1e-6), nats."""
    norm: Tensor
    """‖L0‖."""
    std: Tensor
    """Standard deviation of L0 over the vocabulary, unbiased."""
    slope_norm: Tensor
    """‖S‖."""
    dot: Tensor
    """L0·S."""
    mean_slope: Tensor
    """E0[S]."""


class Path(NamedTuple):
    """The moved states, `[tokens, radii]`; logits count from the line ln Σ exp L0 + ε·E0[S]."""

    divergence: Tensor
    """KL(p0‖pε), nats."""
    mixture_divergence: Tensor
    """½KL(M‖p0) + ½KL(M‖pε) with M = ½(p0 + pε), nats."""
    top: Tensor
    """Largest logit."""
    second: Tensor
    """Second largest logit."""
    entropy: Tensor
    """−Σ pε·ln(pε + 1e-6), nats."""
    changed: Tensor
    """Whether another entry exceeds the original argmax."""


class Tile(NamedTuple):
    """Rays of some tokens, `[rows, padded]`: whole groups, filled up by entries of no probability and no slope."""

    log_probs: Tensor
    """ln p0."""
    centred: Tensor
    """S − E0[S]."""
    probs0: Tensor
    """p0."""
    probs: Tensor
    """Scratch."""
    scratch: Tensor
    """Scratch."""
    vocab: int
    """Entries that are none of those filled up."""


Follow = Callable[[Tile, Tensor, Sequence[float]], Path]
"""From a tile, the argmax `[rows]` of its unmoved states, and radii to the moved states."""


def reduce_path(ray: Ray, radii: Sequence[float], follow: Follow) -> tuple[Start, Path]:
    """Reduce the rays of some tokens at the given radii, a cacheful of tokens at a time."""
    padded = _GROUP * max(2, math.ceil(ray.logits.shape[1] / _GROUP))
    tiles = list(cache_tiles(ray.logits))
    rows = tiles[0].stop
    buffers = ray.logits.new_empty((5, rows, padded))
    starts, paths = [], []
    for rows_of_tile in tiles:
        start, tile = _open_tile(ray.logits[rows_of_tile], ray.slope[rows_of_tile], buffers)
        starts.append(start)
        paths.append(follow(tile, start.argmax, radii))
    return (
        Start(*(torch.cat(column) for column in zip(*starts, strict=True))),
        Path(*(torch.cat(column) for column in zip(*paths, strict=True))),
    )


def _open_tile(logits: Tensor, slope: Tensor, buffers: Tensor) -> tuple[Start, Tile]:
    """Reduce the unmoved states of one tile, and lay out what the moved ones are made of."""
    rows, vocab = logits.shape
    log_probs, centred, probs0, probs, scratch = buffers[:, :rows]
    within = scratch[:, :vocab]

    dot = torch.mul(logits, slope, out=within).sum(1)
    std = torch.sub(logits, logits.mean(1, keepdim=True), out=within).norm(dim=1) / math.sqrt(vocab - 1)

    log_probs[:, :vocab] = logits
    log_probs[:, vocab:] = -torch.inf
    best = grouped(log_probs).amax(2)
    top, second, argmax = _top_two(best, grouped(log_probs)[_rows(best), best.argmax(1)])
    normalizer, entropy = _look(probs0.copy_(log_probs), top, scratch)
    log_probs -= normalizer[:, None]
    log_probs[:, vocab:] = PADDING

    mean_slope = torch.mul(probs0[:, :vocab], slope, out=within).sum(1)
    torch.sub(slope, mean_slope[:, None], out=centred[:, :vocab])
    centred[:, vocab:] = 0.0
    start = Start(normalizer, argmax, top, second, entropy, logits.norm(dim=1), std, slope.norm(dim=1), dot, mean_slope)
    return start, Tile(log_probs, centred, probs0, probs, scratch, vocab)


def follow_exactly(tile: Tile, argmax: Tensor, radii: Sequence[float]) -> Path:
    """Reduce the whole vocabulary at every radius."""
    log_probs, centred, probs0, probs, scratch, _ = tile
    groups = grouped(probs).shape[1]
    best = probs.new_empty((len(probs), len(radii), groups))
    sums = []
    for step, radius in enumerate(radii):
        torch.add(log_probs, centred, alpha=radius, out=probs)
        torch.amax(grouped(probs), dim=2, out=best[:, step])
        divergence, entropy = _look(probs, best[:, step].amax(1), scratch)
        mixture = probs.add_(probs0)  # 2M
        terms = torch.log(mixture, out=scratch).sub_(log_probs).add_(centred, alpha=-radius / 2).mul_(mixture)
        sums.append((divergence, (terms.sum(1) + divergence) / 2 - math.log(2), entropy))
    divergence, mixture_divergence, entropy = (torch.stack(s, dim=1) for s in zip(*sums, strict=True))

    where = _rows(best)[:, None], best.argmax(2)
    r = best.new_tensor(radii)[:, None]
    group = torch.addcmul(grouped(log_probs)[where], r, grouped(centred)[where])
    top, second, index = _top_two(best, group)
    changed = index != argmax[:, None]
    return Path(divergence, mixture_divergence, top, second, entropy, changed)


def _look(logits: Tensor, top: Tensor, scratch: Tensor) -> tuple[Tensor, Tensor]:
    """Turn logits into their probabilities, in place; return their normaliser and their entropy."""
    probs = logits.sub_(top[:, None]).clamp_(min=LOWEST_EXPONENT).exp_()
    total = probs.sum(1)
    probs *= total.reciprocal()[:, None]
    entropy = -torch.add(probs, ENTROPY_EPSILON, out=scratch).log_().mul_(probs).sum(1)
    return top + total.log(), entropy


def grouped(values: Tensor) -> Tensor:
    """See the last axis as groups of 256."""
    return values.view(*values.shape[:-1], -1, _GROUP)


def _rows(values: Tensor) -> Tensor:
    return torch.arange(len(values), device=values.device)


def _top_two(best: Tensor, group: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the two largest values, and the index of the largest, from every group's maximum `[..., groups]`.

    `group` `[..., 256]` holds the values of the group with the largest maximum; the runner-up is in it or is
    the next maximum. This is ten times cheaper than `topk` over the vocabulary.
    """
    inside = group.topk(2).values
    second = torch.maximum(best.topk(2).values[..., 1], inside[..., 1])
    index = best.argmax(-1) * _GROUP + group.argmax(-1)
    return inside[..., 0], second, index
