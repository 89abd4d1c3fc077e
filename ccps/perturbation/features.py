"""The 75 stability features of CCPS, for one perturbation grid or for many in one pass over the ray.

The paper pushes a hidden state h by ε along d and looks at what the head makes of it, once for each radius ε. Since the
head is linear, all of that is in two vectors over the vocabulary, the logits L0 and their slopes S (`rays`), and what
the features ask of them are a handful of sums and maxima for each radius (`reductions`). What is left for this file is
small: with ln Z0 the normaliser, E0 the mean under p0 and D(ε) = KL(p0‖pε), all of them scalars for a token and radius,

    level(ε) = ln Z0 + ε·E0[S]          the logit of which the probability is exp(−D)
    ln p_j(ε) = L0_j + ε·S_j − level(ε) − D(ε)

where D(ε) = ln Zε − ln Z0 − ε·E0[S] is summed up directly and not taken as that difference: the normalisers may be in
the hundreds and D below 1e-6, which float32 would lose. Norms and cosines of moved vectors are not taken from the
vectors either but from polynomials in ε, in float64 (a soft cap, which bends the lines, leaves only the second):

    ‖L(ε)‖² = ‖L0‖² + 2ε·L0·S + ε²‖S‖²          ‖h + εd‖² = ‖h‖² + 2ε·h·d + ε²

A grid of radii then only chooses among the columns, which is why many grids cost little more than one.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ccps.perturbation.capped import reduce_capped
from ccps.perturbation.compiled import fastest_follow
from ccps.perturbation.directions import Direction
from ccps.perturbation.head import Head
from ccps.perturbation.inputs import Inputs, checked, checked_grid
from ccps.perturbation.many import MANY, follow_many
from ccps.perturbation.names import FEATURE_NAMES, PERTURBED_STEMS
from ccps.perturbation.rays import MAX_SCRATCH_BYTES, Ray, ray_blocks
from ccps.perturbation.reductions import Path, Reduced, Start, follow_exactly, reduce_path
from ccps.perturbation.softcap import soft_capped
from ccps.perturbation.ways import Way, products

_TINY = 1e-8  # least product of norms in a cosine, as in torch.nn.functional.cosine_similarity


class Grid(NamedTuple):
    """Radii at which the prediction is looked at: `steps` equal steps up to `radius`."""

    radius: float = 20.0
    steps: int = 5

    def radii(self) -> tuple[float, ...]:
        """Radii of the steps, in units of the hidden state."""
        return tuple(step * self.radius / self.steps for step in range(1, self.steps + 1))


def stability_features(
    hidden: Tensor,
    weight: Tensor | Head,
    token_ids: Tensor,
    radius: float = 20.0,
    steps: int = 5,
    *,
    direction: Direction = "gradient",
    seed: int = 0,
    bias: Tensor | None = None,
    softcap: float | None = None,
    way: Way | None = None,
    max_scratch_bytes: int = MAX_SCRATCH_BYTES,
) -> Tensor:
    """Compute the 75 stability features of each token from its hidden state and the head alone.

    Args:
        hidden: final-normed hidden states (the head's input), `[tokens, d]`, any floating type.
        weight: rows of the linear head, `[vocab, d]`, any floating type; or the whole `Head`, with its bias and soft
            cap. Float32 is used as it is; another type is cast by runs of rows, 64 MiB at a time, in each of a block's
            three products, unless `way` says otherwise.
        token_ids: the token that each state predicted, `[tokens]`.
        radius: length of the longest perturbation, in units of the hidden state.
        steps: how many equal steps lead to it.
        direction: where the states are moved: up the `gradient` of −ln p_t as in the paper, `opposite` to it, in a
            `random` direction, or along the `contrast` of the two largest logits, from the first to the second.
        seed: seed of the random direction of a token, which depends on nothing else but the float32 bytes of its
            state: not on blocks, batches or shards.
        bias: bias of the head, `[vocab]`.
        softcap: c, if the model's logits are c·tanh((W·h + b)/c) as those of Gemma 2 are. All features are then of
            these, the gradient included, while the states move as they do without. None is a linear head, and what
            the released code of CCPS makes of any: it reads W·h, whatever the model does to it.
        way: how a bfloat16 head is multiplied: cast to float32 (`float32`), or as it is, by parts of the other operand
            (`split`). By default what is fastest on the device (`ccps.perturbation.ways`).
        max_scratch_bytes: bound of the logits held at a time. Tokens are worked off in blocks of
            `max_scratch_bytes // (8 * vocab)`, at least one; a block reads the head's weight three times.

    Returns:
        float32 `[tokens, 75]`, columns as in `FEATURE_NAMES`. `epsilon_to_flip_token` is inf where the argmax
        changes at no radius of the grid. `jacobian_norm_token` is ‖g‖ for every direction. Where the gradient is
        flat (‖g‖ ≤ 1e-9) a direction made from it is none, and the state stays unmoved; so it does along the
        contrast of two equal rows of the head.

    Raises:
        ValueError: an input is of the wrong shape, type or range, or the logits are not finite.

    Source: CCPS, arXiv 2505.21772, and its released code, whose formulas these are: entropies with 1e-6
    inside the logarithm, KL(p0‖pk), ½KL(M‖p0) + ½KL(M‖pk) with M = ½(p0 + pk) as the Jensen-Shannon term,
    population deviations over the steps.
    """
    return stability_features_sweep(
        hidden,
        weight,
        token_ids,
        [Grid(radius, steps)],
        direction=direction,
        seed=seed,
        bias=bias,
        softcap=softcap,
        way=way,
        max_scratch_bytes=max_scratch_bytes,
    )[0]


def stability_features_sweep(
    hidden: Tensor,
    weight: Tensor | Head,
    token_ids: Tensor,
    grids: Sequence[Grid],
    *,
    direction: Direction = "gradient",
    seed: int = 0,
    bias: Tensor | None = None,
    softcap: float | None = None,
    way: Way | None = None,
    max_scratch_bytes: int = MAX_SCRATCH_BYTES,
) -> Tensor:
    """Compute the features for several grids in one pass; a radius that grids share is reduced once.

    What costs time is the number of distinct radii. With grids of 1, 2, 5, 10 and 20 steps up to each of twenty
    radii, it is 152 if these are 5, 10, …, 100, and 400 if no two are commensurate. From 48 on (`many.MANY`) rare
    tokens are interpolated along the ray; features then differ from those of single grids by up to 1e-5, relative to
    1 + |value|. With fewer they are the same to the last bit, and so they are with a soft cap, which leaves no line to
    interpolate on. On a GPU a compiled path may take the place of either (`compiled.fastest_follow`), within 1e-5 too.

    Args:
        hidden: as in `stability_features`.
        weight: as in `stability_features`.
        token_ids: as in `stability_features`.
        grids: (radius, steps) of each grid.
        direction: as in `stability_features`.
        seed: as in `stability_features`.
        bias: as in `stability_features`.
        softcap: as in `stability_features`.
        way: as in `stability_features`.
        max_scratch_bytes: as in `stability_features`.

    Returns:
        float32 `[grids, tokens, 75]`.

    Raises:
        ValueError: as in `stability_features`.
    """
    inputs = checked(hidden, weight, token_ids, bias, direction, seed, softcap)
    grids = [Grid(*grid) for grid in grids]
    if not grids:
        raise ValueError("Expected `grids` to be one or more, but got none. The paper's is Grid(20.0, 5).")
    for grid in grids:
        checked_grid(*grid)
    radii = sorted({radius for grid in grids for radius in grid.radii()})
    features = inputs.hidden.new_empty((len(grids), len(hidden), len(FEATURE_NAMES)))
    with torch.no_grad():
        for part, block, ray in ray_blocks(inputs, max_scratch_bytes, products(inputs.head.weight, way)):
            along = _follow(block, ray, radii)
            for grid, out in zip(grids, features, strict=True):
                columns = [radii.index(radius) for radius in grid.radii()]
                out[part] = _summarise(along, along.radii[columns], along.perturbed[:, :, columns])
    return features


class _Along(NamedTuple):
    """All that the features are made of, float64."""

    original: Tensor
    """The columns `ORIGINAL_NAMES`, `[tokens, 12]`."""
    gradient_norm: Tensor
    """‖g‖ `[tokens]`."""
    radii: Tensor
    """`[radii]`."""
    perturbed: Tensor
    """The quantities `PERTURBED_STEMS` at every radius, `[15, tokens, radii]`."""


def _follow(inputs: Inputs, ray: Ray, radii: list[float]) -> _Along:
    """Assemble each radius's quantities, in float64."""
    start, path, whole = _reduce(ray, radii, inputs.head.softcap)
    start, path = Start(*(_column(x) for x in start)), Path(*(x.double() for x in path))
    r = torch.tensor(radii, dtype=torch.float64, device=ray.logits.device)

    # The chosen token's own line: two numbers of the ray, followed in float64.
    ids = inputs.token_ids[:, None]
    line_actual_0 = ray.logits.gather(1, ids).double()
    line_actual = line_actual_0 + r * ray.slope.gather(1, ids).double()
    logit_actual_0, logit_actual = (soft_capped(line, inputs.head.softcap) for line in (line_actual_0, line_actual))
    log_prob_actual_0 = logit_actual_0 - start.normalizer
    log_prob_actual = logit_actual - whole.level - path.divergence

    # The state itself moves by r along a unit vector, or not at all where there is no direction.
    state, direction = inputs.hidden.double(), ray.direction.double()
    state_norm = _column(state.norm(dim=1))
    along = _column((state * direction).sum(1))
    distance = r * _column(ray.direction.any(dim=1))
    moved_norm = (state_norm**2 + 2 * distance * along + distance**2).clamp_min(0).sqrt()

    original = [
        log_prob_actual_0,
        log_prob_actual_0.exp(),
        logit_actual_0,
        (start.top - start.normalizer).exp(),
        start.top,
        start.entropy,
        start.top - start.second,
        (start.top - start.normalizer).exp() - (start.second - start.normalizer).exp(),
        start.norm,
        start.std,
        state_norm,
        (start.argmax == ids).double(),
    ]
    perturbed = [
        log_prob_actual,
        log_prob_actual.exp(),
        logit_actual,
        log_prob_actual_0 - log_prob_actual,
        (path.top - path.divergence).exp(),
        path.top + whole.level,
        path.changed,
        path.entropy,
        path.top - path.second,
        whole.norm,
        path.divergence,
        path.mixture_divergence,
        whole.dot / (start.norm * whole.norm).clamp_min(_TINY),
        (state_norm**2 + distance * along) / (state_norm * moved_norm).clamp_min(_TINY),
        distance,
    ]
    return _Along(torch.cat(original, dim=1), ray.gradient_norm.double(), r, torch.stack(perturbed))


def _reduce(ray: Ray, radii: list[float], softcap: float | None) -> Reduced:
    """Reduce the vocabulary in the way that fits head, radii and device."""
    if softcap is None:
        exact_or_many = follow_many if len(radii) >= MANY else follow_exactly
        follow = fastest_follow(ray.logits.device, ray.logits.shape[1], len(radii), exact_or_many)
        reduced = reduce_path(ray, radii, follow)
        norms = reduced.start.norm
    else:
        reduced = reduce_capped(ray, softcap, radii)
        norms = ray.logits.norm(dim=1)  # under the cap even infinite logits have a finite one
    if not torch.isfinite(norms).all():
        bad = int((~torch.isfinite(norms)).sum())
        message = f"Expected `weight` to give finite logits, but got NaN or inf for {bad} of {len(norms)} states."
        raise ValueError(f"{message} Look for NaN or inf in `weight` and `bias`.")
    return reduced


def _summarise(along: _Along, radii: Tensor, perturbed: Tensor) -> Tensor:
    """Reduce the radii of one grid: the three trajectory columns, then four summaries of each quantity."""
    drop = perturbed[PERTURBED_STEMS.index("delta_log_prob_actual_from_original")].clamp_min(0)
    changed = perturbed[PERTURBED_STEMS.index("did_argmax_change_from_original")] > 0
    first_flip = torch.where(changed, radii, math.inf).amin(1)
    # Trapezoids of unit width that start at a drop of 0, over the number of steps.
    drop_integral = (drop.sum(1) - drop[:, -1] / 2) / len(radii)
    summaries = torch.stack(
        [perturbed.amin(2), perturbed.amax(2), perturbed.mean(2), perturbed.std(2, unbiased=False)], dim=2
    )
    trajectory = torch.stack([along.gradient_norm, first_flip, drop_integral], dim=1)
    return torch.cat([along.original, trajectory, summaries.transpose(0, 1).flatten(1)], dim=1)


def _column(values: Tensor) -> Tensor:
    return values.double()[:, None]
