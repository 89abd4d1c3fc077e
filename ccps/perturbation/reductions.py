"""Vocabulary-wide reductions along the ray: from two `[tokens, vocab]` tensors to a few numbers per radius.

Along L(ε) = L0 + ε·S, written as z(ε) = ln p0 + ε·(S − E0[S]) with E0 the mean under p0, whatever the
direction that S belongs to:

1. ln Σ exp z(ε) = KL(p0‖pε), so one sum gives the divergence, with no difference of two large normalisers;
2. the released code's ½KL(M‖p0) + ½KL(M‖pε) over M = ½(p0 + pε) is Σ M·(ln 2M − ½ ln p0 − ½ ln pε) − ln 2,
   where ½ ln p0 + ½ ln pε is linear in ln p0 and S: one logarithm instead of three.

What is left per vocabulary entry and radius is one exponential and two logarithms. Heads with a soft cap have no
such lines; their logits are reduced in `capped`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
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
    """The unmoved state, float32 `[tokens]`."""

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


class Line(NamedTuple):
    """The line that leaves the unmoved state, float32 `[tokens]`."""

    slope_norm: Tensor
    """‖S‖."""
    dot: Tensor
    """L0·S."""
    mean_slope: Tensor
    """E0[S]."""


class Path(NamedTuple):
    """The moved states, `[tokens, radii]`; logits count from the level ln Σ exp L0 + E0[L(ε) − L0]."""

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


class Whole(NamedTuple):
    """The moved logits as vectors, float64 `[tokens, radii]`."""

    level: Tensor
    """ln Σ exp L0 + E0[L(ε) − L0]: the logit of which a probability is exp(−KL(p0‖pε))."""
    norm: Tensor
    """‖L(ε)‖."""
    dot: Tensor
    """L0·L(ε)."""


class Reduced(NamedTuple):
    """Rays of some tokens at some radii."""

    start: Start
    path: Path
    whole: Whole


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


def reduce_path(ray: Ray, radii: Sequence[float], follow: Follow) -> Reduced:
    """Reduce the rays of some tokens at the given radii, a cacheful of tokens at a time."""
    padded = _GROUP * max(2, math.ceil(ray.logits.shape[1] / _GROUP))
    tiles = list(cache_tiles(ray.logits))
    rows = tiles[0].stop
    buffers = ray.logits.new_empty((5, rows, padded))
    starts, lines, paths = [], [], []
    for rows_of_tile in tiles:
        start, line, tile = _open_tile(ray.logits[rows_of_tile], ray.slope[rows_of_tile], buffers)
        starts.append(start)
        lines.append(line)
        paths.append(follow(tile, start.argmax, radii))
    start = Start(*joined(starts))
    return Reduced(start, Path(*joined(paths)), _whole(start, Line(*joined(lines)), radii))


def joined(parts: Sequence[tuple[Tensor, ...]]) -> Iterator[Tensor]:
    """Concatenate the fields of the records of consecutive tokens."""
    return (torch.cat(column) for column in zip(*parts, strict=True))


def _whole(start: Start, line: Line, radii: Sequence[float]) -> Whole:
    """Move the vectors along the line, in float64: a norm can be a small difference of large squares."""
    normalizer, norm = (column.double()[:, None] for column in (start.normalizer, start.norm))
    slope_norm, dot, mean_slope = (column.double()[:, None] for column in line)
    r = torch.tensor(radii, dtype=torch.float64, device=norm.device)
    moved_norm = (norm**2 + 2 * r * dot + (r * slope_norm) ** 2).clamp_min(0).sqrt()
    return Whole(normalizer + r * mean_slope, moved_norm, norm**2 + r * dot)


def _open_tile(logits: Tensor, slope: Tensor, buffers: Tensor) -> tuple[Start, Line, Tile]:
    """Reduce the unmoved states of one tile, and lay out what the moved ones are made of."""
    rows, vocab = logits.shape
    log_probs, centred, probs0, probs, scratch = buffers[:, :rows]
    within = scratch[:, :vocab]

    dot = torch.mul(logits, slope, out=within).sum(1)
    std = deviation(logits, within)

    log_probs[:, :vocab] = logits
    log_probs[:, vocab:] = -torch.inf
    best = grouped(log_probs).amax(2)
    top, second, argmax = _top_two(best, grouped(log_probs)[_rows(best), best.argmax(1)])
    normalizer, entropy = look(probs0.copy_(log_probs), top, scratch)
    log_probs -= normalizer[:, None]
    log_probs[:, vocab:] = PADDING

    mean_slope = torch.mul(probs0[:, :vocab], slope, out=within).sum(1)
    torch.sub(slope, mean_slope[:, None], out=centred[:, :vocab])
    centred[:, vocab:] = 0.0
    start = Start(normalizer, argmax, top, second, entropy, logits.norm(dim=1), std)
    return start, Line(slope.norm(dim=1), dot, mean_slope), Tile(log_probs, centred, probs0, probs, scratch, vocab)


def follow_exactly(tile: Tile, argmax: Tensor, radii: Sequence[float]) -> Path:
    """Reduce the whole vocabulary at every radius."""
    log_probs, centred, probs0, probs, scratch, _ = tile
    groups = grouped(probs).shape[1]
    best = probs.new_empty((len(probs), len(radii), groups))
    sums = []
    for step, radius in enumerate(radii):
        torch.add(log_probs, centred, alpha=radius, out=probs)
        torch.amax(grouped(probs), dim=2, out=best[:, step])
        divergence, entropy = look(probs, best[:, step].amax(1), scratch)
        mixture = probs.add_(probs0)  # 2M
        terms = torch.log(mixture, out=scratch).sub_(log_probs).add_(centred, alpha=-radius / 2).mul_(mixture)
        sums.append((divergence, (terms.sum(1) + divergence) / 2 - math.log(2), entropy))
    divergence, mixture_divergence, entropy = (torch.stack(s, dim=1) for s in zip(*sums, strict=True))

    top, second, index = leading_two(tile, best, radii)
    return Path(divergence, mixture_divergence, top, second, entropy, index != argmax[:, None])


def leading_two(tile: Tile, best: Tensor, radii: Sequence[float]) -> tuple[Tensor, Tensor, Tensor]:
    """Find the two largest logits and the index of the largest from the maxima `[rows, radii, groups]` of groups."""
    where = _rows(best)[:, None], best.argmax(2)
    r = best.new_tensor(radii)[:, None]
    return _top_two(best, torch.addcmul(grouped(tile.log_probs)[where], r, grouped(tile.centred)[where]))


def deviation(logits: Tensor, scratch: Tensor) -> Tensor:
    """Compute the unbiased standard deviation of logits `[rows, vocab]` over the vocabulary."""
    norm: Tensor = torch.sub(logits, logits.mean(1, keepdim=True), out=scratch).norm(dim=1)
    return norm / math.sqrt(logits.shape[1] - 1)


def look(logits: Tensor, top: Tensor, scratch: Tensor) -> tuple[Tensor, Tensor]:
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
