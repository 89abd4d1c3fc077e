"""Vocabulary-wide reductions along the ray of a head with a soft cap c.

The model's logits are L(ε) = c·tanh((L0 + ε·S)/c). Of what `reductions` makes of lines, this much holds for any way
that leaves L(0): with δ = L(ε) − L(0) in the place of ε·S and z = ln p0 + δ − E0[δ],

1. ln Σ exp z = KL(p0‖pε);
2. ½KL(M‖p0) + ½KL(M‖pε) = Σ M·(ln 2M − ln p0 − ½(δ − E0[δ])) + ½KL(p0‖pε) − ln 2, over M = ½(p0 + pε).

What changes is that δ, its mean and the vectors' norms are no polynomials of ε: each radius computes them anew, at the
price of one more tanh per vocabulary entry. The two largest logits are read off the lines, since tanh keeps their order
and float32 forgets it where they are far above the cap.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ccps.perturbation.rays import Ray
from ccps.perturbation.reductions import Path, Reduced, Start, Whole, deviation, joined, look
from ccps.perturbation.softcap import soft_capped
from ccps.perturbation.tiles import cache_tiles

_BUFFERS = 6


def reduce_capped(ray: Ray, softcap: float, radii: Sequence[float]) -> Reduced:
    """Reduce the rays of some tokens at the given radii, a cacheful of tokens at a time."""
    tiles = list(cache_tiles(ray.logits))
    buffers = ray.logits.new_empty((_BUFFERS, tiles[0].stop, ray.logits.shape[1]))
    parts = [
        _reduce_tile(ray.logits[rows], ray.slope[rows], softcap, radii, buffers[:, : rows.stop - rows.start])
        for rows in tiles
    ]
    starts, paths, wholes = zip(*parts, strict=True)
    return Reduced(Start(*joined(starts)), Path(*joined(paths)), Whole(*joined(wholes)))


def _reduce_tile(lines: Tensor, slope: Tensor, softcap: float, radii: Sequence[float], buffers: Tensor) -> Reduced:
    """Reduce the states of one tile, whose lines `[rows, vocab]` begin at `lines`."""
    original, log_probs, probs0, moved, probs, scratch = buffers
    top, second, argmax = _leading_two(moved.copy_(lines), softcap)
    soft_capped(lines, softcap, out=original)
    normalizer, entropy = look(probs0.copy_(original), top, scratch)
    torch.sub(original, normalizer[:, None], out=log_probs)
    std = deviation(original, scratch)
    start = Start(normalizer, argmax, top, second, entropy, original.norm(dim=1), std)

    paths, wholes = [], []
    for radius in radii:
        top, second, index = _leading_two(torch.add(lines, slope, alpha=radius, out=moved), softcap)
        soft_capped(moved, softcap, out=moved)
        norm, dot = moved.norm(dim=1), torch.mul(moved, original, out=scratch).sum(1)
        change = moved.sub_(original)
        mean = torch.mul(change, probs0, out=scratch).sum(1)
        change -= mean[:, None]
        level = normalizer + mean
        divergence, entropy = look(torch.add(log_probs, change, out=probs), top - level, scratch)
        mixture = probs.add_(probs0)  # 2M
        terms = torch.log(mixture, out=scratch).sub_(log_probs).add_(change, alpha=-0.5).mul_(mixture)
        mixture_divergence = (terms.sum(1) + divergence) / 2 - math.log(2)
        paths.append(Path(divergence, mixture_divergence, top - level, second - level, entropy, index != argmax))
        wholes.append(Whole(level.double(), norm.double(), dot.double()))
    return Reduced(start, Path(*_by_radius(paths)), Whole(*_by_radius(wholes)))


def _leading_two(lines: Tensor, softcap: float) -> tuple[Tensor, Tensor, Tensor]:
    """Find the two largest logits under the cap, and the index of the largest; leave `lines` as they were."""
    top, index = lines.max(dim=1, keepdim=True)
    second = lines.scatter_(1, index, -torch.inf).amax(1)
    lines.scatter_(1, index, top)
    return soft_capped(top[:, 0], softcap), soft_capped(second, softcap), index[:, 0]


def _by_radius(steps: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
    return [torch.stack(column, dim=1) for column in zip(*steps, strict=True)]
