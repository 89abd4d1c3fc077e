"""Reductions at many radii of one ray, at the cost of a few: what is rare is interpolated along the ray.

All of it rests on logits that are lines, so it is not for heads with a soft cap.

An entry of the vocabulary is *heavy* if its probability exceeds 2e-7 anywhere on the way, or if it could be among the
two largest; others are *light*. Heavy entries are few (real models: a hundredth of the vocabulary) and are computed at
every radius. Light ones hold little probability together, and their sums change slowly with the radius ε, so they are
computed at some Chebyshev nodes and interpolated. With z_j(ε) = ln p0_j + ε·c_j, D = KL(p0‖pε) and p_j = exp(z_j − D):

1. U = Σ exp z_j, its mean slope and its second and third moments do not depend on D: their logarithms are interpolated.
2. The entropy of light entries follows from the moments, as ln(1 + p/1e-6) is nearly quadratic below 0.2.
3. Their part of the mixture's divergence does depend on D; it is interpolated at the D of the nodes, and corrected by
   its derivative for the D of each radius, which the heavy entries know.

Nodes are doubled until the last Chebyshev coefficients are small; where they are not, every radius is computed.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.polynomial import chebyshev
from torch import Tensor

from ccps.perturbation.rays import LOWEST_EXPONENT
from ccps.perturbation.reductions import ENTROPY_EPSILON, PADDING, Path, Tile, follow_exactly, grouped

MANY = 48
"""From so many distinct radii on, this is faster than reducing the vocabulary at each."""

TOLERANCE = 5e-6
"""Estimated error of interpolation, in the units of the reductions, above which nodes are doubled."""

_HEAVY = 2e-7
_SLACK = 1e-3  # on the logarithm of what is heavy, for rounding
_INTERVALS = 8
_NODES = (16, 32, 64)
_LIGHT_EXPONENT = -25.0  # below the largest light entry: its cube is no subnormal, and all such together are nothing
_NO_ENTRY = -60.0
_AT_ONCE = 2**18  # heavy entries times radii, for the cache

_X = np.linspace(0.0, _HEAVY / ENTROPY_EPSILON, 50)[1:]
_LINEAR, _QUADRATIC = (float(c) for c in np.linalg.lstsq(np.stack([_X, _X**2], 1), np.log1p(_X), rcond=None)[0])


class _Heavy(NamedTuple):
    """The heavy entries of one token, `[heavy]`, in the order of the vocabulary."""

    entries: Tensor
    """Which they are, of the vocabulary."""
    log_probs: Tensor
    centred: Tensor
    probs0: Tensor


class _Light(NamedTuple):
    """Sums over light entries, float64 `[rows, nodes or radii]`; p is taken at `divergence`."""

    log_sum: Tensor
    """ln U, U = Σ exp z."""
    slope: Tensor
    """Σ c·exp z / U."""
    square: Tensor
    """ln(Σ exp 2z / U)."""
    cube: Tensor
    """ln(Σ exp 3z / U)."""
    mixture: Tensor
    """Σ (p0 + p)·ln(1 + p/p0)."""
    original: Tensor
    """Σ p0·ln(1 + p/p0)."""
    divergence: Tensor
    """D, of all entries."""


def follow_many(tile: Tile, argmax: Tensor, radii: Sequence[float]) -> Path:
    """Reduce as `follow_exactly` does, up to errors of about 1e-5."""
    longest = max(radii)
    heavy = _take_out(tile, _is_heavy(tile, longest))
    light_slope = torch.mul(tile.probs0, tile.centred, out=tile.scratch).sum(1).double()
    light: _Light | None = None
    for nodes in _NODES:
        light = _evaluate(tile, heavy, longest, nodes, light)
        if _error(light, longest) <= TOLERANCE:
            at_radii = _Light(*(values @ _interpolation(nodes, longest, radii).to(values.device) for values in light))
            rows = [
                _combine(taken, _Light(*(values[row] for values in at_radii)), light_slope[row], argmax[row], radii)
                for row, taken in enumerate(heavy)
            ]
            return Path(*(torch.stack(column) for column in zip(*rows, strict=True)))
    _put_back(tile, heavy)
    return follow_exactly(tile, argmax, radii)


def _is_heavy(tile: Tile, longest: float) -> Tensor:
    """Mark every entry that may be heavy anywhere up to `longest`, `[rows, padded]`.

    On each of some intervals D lies above its tangent at the middle, as it is convex, and the second largest entry
    above the chord of the lesser of the middle's two largest, which is concave. Both bounds are lines, as entries are:
    an entry that is below one of them at both ends is below it in between.
    """
    log_probs, centred, _, probs, scratch, vocab = tile
    edges = [longest * (k / _INTERVALS) ** 2 for k in range(_INTERVALS + 1)]
    bounds = probs.new_full((len(edges), len(probs), 1), torch.inf)
    for interval, (low, high) in enumerate(pairwise(edges)):
        middle = (low + high) / 2
        torch.add(log_probs, centred, alpha=middle, out=probs)
        two = _largest_two(probs)
        top = probs.gather(1, two[:, :1])
        probs.sub_(top).clamp_(min=LOWEST_EXPONENT).exp_()
        total = probs.sum(1, keepdim=True)
        slope = torch.mul(probs, centred, out=scratch).sum(1, keepdim=True) / total
        for edge, end in ((interval, low), (interval + 1, high)):
            tangent = top + total.log() + slope * (end - middle) + math.log(_HEAVY)
            second = (log_probs.gather(1, two) + end * centred.gather(1, two)).amin(1, keepdim=True)
            bounds[edge] = torch.minimum(bounds[edge], torch.minimum(tangent, second))
    heavy = torch.zeros_like(probs, dtype=torch.bool)
    for end, bound in zip(edges, bounds - _SLACK, strict=True):
        heavy |= torch.add(log_probs, centred, alpha=end, out=scratch) >= bound
    heavy[:, vocab:] = False
    return heavy


def _largest_two(values: Tensor) -> Tensor:
    """Find the indices of the two largest entries, `[rows, 2]`; they are in the two groups of the largest maxima."""
    groups = grouped(values).amax(2).topk(2).indices
    size = grouped(values).shape[2]
    inside = torch.arange(size, device=values.device)
    index = (groups[:, :, None] * size + inside).flatten(1)
    return index.gather(1, values.gather(1, index).topk(2).indices)


def _take_out(tile: Tile, is_heavy: Tensor) -> list[_Heavy]:
    """Gather the heavy entries, and leave nothing in their place."""
    heavy = []
    for row, mask in enumerate(is_heavy):
        index = mask.nonzero()[:, 0]
        heavy.append(_Heavy(index, tile.log_probs[row, index], tile.centred[row, index], tile.probs0[row, index]))
    is_heavy[:, tile.vocab :] = True
    tile.log_probs.masked_fill_(is_heavy, _NO_ENTRY)
    tile.centred.masked_fill_(is_heavy, 0.0)
    tile.probs0.masked_fill_(is_heavy, math.exp(_NO_ENTRY))
    return heavy


def _put_back(tile: Tile, heavy: Sequence[_Heavy]) -> None:
    for row, taken in enumerate(heavy):
        tile.log_probs[row, taken.entries] = taken.log_probs
        tile.centred[row, taken.entries] = taken.centred
        tile.probs0[row, taken.entries] = taken.probs0
    tile.log_probs[:, tile.vocab :] = PADDING


def _evaluate(tile: Tile, heavy: Sequence[_Heavy], longest: float, nodes: int, coarse: _Light | None) -> _Light:
    """Sum over the light entries at the Chebyshev nodes, of which every second one may be known."""
    places = range(nodes + 1) if coarse is None else range(1, nodes, 2)
    radii = torch.tensor(_nodes(nodes, longest)[list(places)], device=tile.probs.device)
    heavies = torch.stack([_log_sum(taken, radii) for taken in heavy])
    new = [_sum_light(tile, radius, log_sum) for radius, log_sum in zip(radii.tolist(), heavies.T, strict=True)]
    found = _Light(*(torch.stack(column, dim=1) for column in zip(*new, strict=True)))
    if coarse is None:
        return found
    return _Light(*(_interleave(old, added) for old, added in zip(coarse, found, strict=True)))


def _interleave(even: Tensor, odd: Tensor) -> Tensor:
    both = even.new_empty((even.shape[0], even.shape[1] + odd.shape[1]))
    both[:, ::2], both[:, 1::2] = even, odd
    return both


def _log_sum(heavy: _Heavy, radii: Tensor) -> Tensor:
    """Compute ln Σ exp z over heavy entries, `[radii]`."""
    return torch.logsumexp(heavy.log_probs.double() + radii[:, None] * heavy.centred.double(), dim=1)


def _sum_light(tile: Tile, radius: float, heavy: Tensor) -> _Light:
    """Sum over the light entries at one radius, `[rows]`; `heavy` is ln Σ exp z over the others."""
    log_probs, centred, probs0, probs, scratch, _ = tile
    torch.add(log_probs, centred, alpha=radius, out=probs)
    top = grouped(probs).amax(2).amax(1)
    probs.sub_(top[:, None]).clamp_(min=_LIGHT_EXPONENT).exp_()
    total = probs.sum(1).double()
    slope = torch.mul(probs, centred, out=scratch).sum(1) / total
    square = torch.mul(probs, probs, out=scratch).sum(1) / total
    cube = scratch.mul_(probs).sum(1) / total
    top = top.double()
    log_sum = top + total.log()
    divergence = torch.logaddexp(log_sum, heavy)
    mixture = probs.mul_((top - divergence).exp().float()[:, None]).add_(probs0)
    ratio = torch.log(mixture, out=scratch).sub_(log_probs)
    mixture_sum = mixture.mul_(ratio).sum(1).double()
    original = scratch.mul_(probs0).sum(1).double()
    return _Light(log_sum, slope, square.log() + top, cube.log() + 2 * top, mixture_sum, original, divergence)


def _error(light: _Light, longest: float) -> float:
    """Estimate the largest error of interpolation from the last coefficients."""
    analysis = torch.from_numpy(_analysis(light.slope.shape[1] - 1)).to(light.slope.device)
    tail = _Light(*((values @ analysis).abs().amax(1) for values in light))
    mass = (light.log_sum - light.divergence).exp().amax(1)
    in_sums = tail.log_sum * -math.log(ENTROPY_EPSILON) + tail.square + tail.cube + tail.slope * longest
    errors = mass * (in_sums + tail.divergence**2) + tail.mixture + tail.original * tail.divergence
    return float(errors.max())


def _combine(
    heavy: _Heavy, light: _Light, light_slope: Tensor, argmax: Tensor, radii: Sequence[float]
) -> tuple[Tensor, ...]:
    """Join heavy and light entries of one token at every radius: the fields of `Path`, `[radii]`."""
    size = max(1, _AT_ONCE // len(heavy.entries))
    parts = []
    for start in range(0, len(radii), size):
        part = slice(start, start + size)
        r = heavy.centred.new_tensor(radii[part])[:, None]
        here = _Light(*(values[part] for values in light))
        logits = torch.addcmul(heavy.log_probs, r, heavy.centred)
        top, place = logits.max(1, keepdim=True)
        second = logits.scatter(1, place, -torch.inf).amax(1)
        probs = logits.sub_(top).clamp_(min=LOWEST_EXPONENT).exp_()
        highest = top[:, 0].double()
        divergence = torch.logaddexp(highest + probs.sum(1).double().log(), here.log_sum)
        probs *= (highest - divergence).exp().float()[:, None]
        entropy = -(torch.add(probs, ENTROPY_EPSILON).log_().mul_(probs).sum(1).double())
        mixture = probs.add_(heavy.probs0)
        terms = torch.log(mixture).sub_(heavy.log_probs).addcmul_(r, heavy.centred, value=-0.5).mul_(mixture)

        mass = (here.log_sum - divergence).exp()
        first = (here.square - divergence).exp() / ENTROPY_EPSILON
        second_moment = (here.cube - 2 * divergence).exp() / ENTROPY_EPSILON**2
        entropy += mass * (-math.log(ENTROPY_EPSILON) - _LINEAR * first - _QUADRATIC * second_moment)
        moved = divergence - here.divergence
        ratios = (here.mixture + moved * here.original) * (-moved).exp() - moved * mass
        halves = r[:, 0] / 2 * (light_slope + here.slope * mass)
        mixture_divergence = (terms.sum(1) + ratios - halves + divergence) / 2 - math.log(2)
        changed = heavy.entries[place[:, 0]] != argmax
        parts.append((divergence, mixture_divergence, top[:, 0], second, entropy, changed))
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def _nodes(nodes: int, longest: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Chebyshev points of the second kind on [0, longest], from the far end; every second one is in half as many."""
    return longest * (1 + np.cos(np.pi * np.arange(nodes + 1) / nodes)) / 2


def _coefficients(nodes: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """From values at the nodes to Chebyshev coefficients, `[nodes + 1, nodes + 1]`."""
    k = np.arange(nodes + 1)
    ends = np.where((k == 0) | (k == nodes), 0.5, 1.0)
    matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]] = (
        2 / nodes * np.cos(np.pi * np.outer(k, k) / nodes) * ends[:, None] * ends[None, :]
    )
    return matrix


def _analysis(nodes: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """From values at the nodes to the last three coefficients."""
    return _coefficients(nodes)[:, -3:]


def _interpolation(nodes: int, longest: float, radii: Sequence[float]) -> Tensor:
    """From values at the nodes to values at the radii, `[nodes + 1, radii]`."""
    at = 2 * np.asarray(radii) / longest - 1
    return torch.from_numpy(_coefficients(nodes) @ chebyshev.chebvander(at, nodes).T)
