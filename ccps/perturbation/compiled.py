"""One fused pass over the vocabulary for several radii, for devices where memory is what costs time.

`reductions.follow_exactly` is a chain of elementwise operations. On a CPU each of them finds the tile in cache; on a
GPU each reads and writes it in device memory, some forty times per radius. Compiled (`torch.compile`), the same
reductions read a tile three times for several radii: for the maxima, the normalisers, and the sums that need them.

Whether that is faster is measured, and that it says the same is checked against the plain path, before it is used.
"""

import math
import time
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ccps.perturbation.rays import LOWEST_EXPONENT, Ray
from ccps.perturbation.reductions import (
    ENTROPY_EPSILON,
    Follow,
    Path,
    Tile,
    follow_exactly,
    grouped,
    leading_two,
    reduce_path,
)
from ccps.perturbation.tiles import tile_rows

TOLERANCE = 1e-5
"""Largest difference from the plain path, relative to 1 + |value|, with which the compiled path is used."""

_RADII_AT_ONCE = 5  # the paper's grid; what is fused, and the time to compile it, grow with the number
_REPETITIONS = 5

# By default the compiler writes to memory what has many inputs and is read twice, as probabilities are.
_RECOMPUTE: dict[str, Any] = {"realize_reads_threshold": 16, "realize_opcount_threshold": 128}

Seconds = Callable[[Follow], float]
"""From a way to follow rays to the seconds that it takes."""


@cache
def fastest_follow(device: torch.device, vocab: int, radii: int, plain: Follow = follow_exactly) -> Follow:
    """Choose between the plain and the compiled path by measurement, once per process for the same arguments.

    On the CPU the plain path is taken untried: it works in cache, and it is the oracle. Elsewhere both reduce a tile of
    invented rays.

    Args:
        device: where the rays are.
        vocab: entries of their vocabulary.
        radii: how many radii they are followed to.
        plain: the path that needs no compiler.
    """
    if device.type == "cpu":
        return plain
    ray = _invented_ray(device, vocab)
    lengths = torch.linspace(20.0 / radii, 20.0, radii).tolist()
    return faster(plain, follow_compiled, ray, lengths)


def faster(plain: Follow, compiled: Follow, ray: Ray, radii: Sequence[float], seconds: Seconds | None = None) -> Follow:
    """Return the faster of two paths: the plain one too, with a warning, if the other fails or says something else.

    Args:
        plain: the path to fall back on.
        compiled: the path to try.
        ray: rays to try them on.
        radii: radii to try them at.
        seconds: clock of a path; by default the median of some runs over these rays.
    """
    try:
        found = reduce_path(ray, radii, compiled).path
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # a compiler, or a part of one, is missing
        reason = str(error).strip().partition("\n")[0]
        warnings.warn(f"Features are computed without a compiler, which is slower: {reason}", stacklevel=2)
        return plain
    worst = _difference(found, reduce_path(ray, radii, follow_exactly).path)
    if not worst <= TOLERANCE:  # NaN is none either
        warnings.warn(
            f"Expected the compiled features to equal the plain ones within {TOLERANCE:g}, but got a difference of "
            f"{worst:.3g}: the plain path is used, which is slower.",
            stacklevel=2,
        )
        return plain
    return min((plain, compiled), key=seconds or (lambda follow: _seconds(ray, radii, follow)))


def follow_compiled(tile: Tile, argmax: Tensor, radii: Sequence[float]) -> Path:
    """Reduce as `follow_exactly` does, in parts of equally many radii, the last of which may be repeated."""
    size = math.ceil(len(radii) / math.ceil(len(radii) / _RADII_AT_ONCE))
    padded = [*radii, *[radii[-1]] * (-len(radii) % size)]
    reduce, rays = _compiled(), (tile.log_probs, tile.centred, tile.probs0)
    for values in rays:
        torch._dynamo.maybe_mark_dynamic(values, 0)  # what is compiled for one tile serves lower ones
    parts = [
        reduce(*rays, tile.probs.new_tensor(padded[start : start + size])) for start in range(0, len(padded), size)
    ]
    columns = (torch.cat(column, dim=1)[:, : len(radii)] for column in zip(*parts, strict=True))
    best, divergence, mixture_divergence, entropy = columns
    top, second, index = leading_two(tile, best, radii)
    return Path(divergence, mixture_divergence, top, second, entropy, index != argmax[:, None])


@cache
def _compiled() -> Callable[..., tuple[Tensor, ...]]:
    return torch.compile(_reduce, options=_RECOMPUTE)


def _reduce(log_probs: Tensor, centred: Tensor, probs0: Tensor, radii: Tensor) -> tuple[Tensor, ...]:
    """Reduce rays `[rows, padded]` at some radii; the loop is unrolled, and the radii share what is read.

    Returns:
        The maxima of groups `[rows, radii, groups]`, and `[rows, radii]` each of KL(p0‖pε), the mixture's divergence
        and the entropy, as in `follow_exactly`.
    """
    steps = []
    for radius in radii.unbind():
        logits = log_probs + radius * centred
        best = grouped(logits).amax(2)
        top = best.amax(1, keepdim=True)
        powers = (logits - top).clamp(min=LOWEST_EXPONENT).exp()
        total = powers.sum(1, keepdim=True)
        probs = powers / total
        divergence = (top + total.log())[:, 0]
        entropy = -(probs * (probs + ENTROPY_EPSILON).log()).sum(1)
        mixture = probs + probs0  # 2M
        terms = mixture * (mixture.log() - log_probs - radius / 2 * centred)
        steps.append((best, divergence, (terms.sum(1) + divergence) / 2 - math.log(2), entropy))
    return tuple(torch.stack(column, dim=1) for column in zip(*steps, strict=True))


def _invented_ray(device: torch.device, vocab: int) -> Ray:
    """Fill one tile with rays whose logits spread as those of language models do, and turn to others on the way."""
    generator = torch.Generator(device).manual_seed(0)
    logits, slope = torch.randn((2, tile_rows(device, vocab), vocab), generator=generator, device=device)
    unread = logits.new_empty(0)
    return Ray(3.0 * logits, 0.2 * slope, gradient_norm=unread, direction=unread)


def _difference(found: Path, wanted: Path) -> float:
    """Find the largest difference of any field, relative to 1 + |value|; NaN if there is one."""
    differences = [(a.double() - b.double()).abs() / (1 + b.double().abs()) for a, b in zip(found, wanted, strict=True)]
    return float(torch.stack([difference.max() for difference in differences]).max())


def _seconds(ray: Ray, radii: Sequence[float], follow: Follow) -> float:
    """Time some runs over the same rays, and take the median."""
    times = []
    for _ in range(_REPETITIONS):
        started = time.perf_counter()
        reduce_path(ray, radii, follow)
        if ray.logits.device.type != "cpu":
            torch.accelerator.synchronize(ray.logits.device)
        times.append(time.perf_counter() - started)
    return median(times)
