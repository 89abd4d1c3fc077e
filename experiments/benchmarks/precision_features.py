"""The 75 features by their definitions: in float64, as the released code rounds them, and of a model in bfloat16."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ccps.perturbation import Grid, stability_features
from ccps.perturbation.names import PERTURBED_STEMS
from experiments.benchmarks.precision_cases import Case

GRID = Grid()
FLAT = 1e-9


def by_definition(case: Case, grid: Grid = GRID) -> Tensor:
    """The features in float64, `[tokens, 75]`."""
    weight = case.weight.double()
    bias = 0.0 if case.bias is None else case.bias.double()
    rows = []
    for state, token in zip(case.hidden.double(), case.token_ids.tolist(), strict=True):
        start = weight @ state + bias
        pull = start.softmax(0)
        pull[token] = 0.0
        pull[token] = -pull.sum()  # p − 1 without cancellation
        gradient = weight.T @ pull
        norm = float(gradient.norm())
        unit = gradient / norm if norm > FLAT else torch.zeros_like(gradient)
        moved = torch.stack([state + radius * unit for radius in grid.radii()])
        rows.append(_features(state, start, moved, moved @ weight.T + bias, norm, token, grid))
    return torch.stack(rows)


def as_released(case: Case, grid: Grid = GRID) -> Tensor:
    """The features with the roundings of the released code's defaults, `[tokens, 75]`.

    States, logits, gradient and moved states in bfloat16, stored in float16; moved logits, and all that is made of
    either, in float16 (`step 1` loads the model in bfloat16, `step 2` in float16).
    """
    low, half = case.weight.bfloat16(), case.weight.half()
    rows = []
    for state, token in zip(case.hidden.bfloat16(), case.token_ids.tolist(), strict=True):
        leaf = state.clone().requires_grad_()
        start = low @ leaf
        (gradient,) = torch.autograd.grad(-F.log_softmax(start, dim=0)[token], leaf)
        norm = float(gradient.norm())
        unit = gradient / norm if norm > FLAT else torch.zeros_like(gradient)
        moved = torch.stack([(state + radius * unit).half() for radius in grid.radii()])
        stored = float(gradient.half().norm())
        row = _features(state.half(), start.detach().half(), moved, moved @ half.T, stored, token, grid)
        rows.append(row)
    return torch.stack(rows)


def in_bfloat16(case: Case, grid: Grid = GRID) -> Tensor:
    """The features of a model in bfloat16: its states and head are rounded, the arithmetic is the package's."""
    return stability_features(case.hidden.bfloat16(), case.weight.bfloat16(), case.token_ids, *grid, bias=case.bias)


def _features(
    state: Tensor, start: Tensor, moved: Tensor, logits: Tensor, gradient_norm: float, token: int, grid: Grid
) -> Tensor:
    """The 75 columns of one token, each quantity in the type of what it is made of."""
    p, log_p = start.softmax(0), start.log_softmax(0)
    top, ids = start.topk(2)
    best = int(start.argmax())
    original = [
        log_p[token],
        p[token],
        start[token],
        p[ids[0]],
        top[0],
        _entropy(p),
        top[0] - top[1],
        p[ids[0]] - p[ids[1]],
        start.norm(),
        start.std(),
        state.norm(),
        float(token == best),
    ]
    steps, flip = [], math.inf
    for radius, there, now in zip(grid.radii(), moved, logits, strict=True):
        q, log_q = now.softmax(0), now.log_softmax(0)
        largest = now.topk(2).values
        changed = bool((now > now[best]).any())
        flip = min(flip, radius) if changed else flip
        mixture = (p + q) / 2
        divergences = [
            F.kl_div(log_q, p, reduction="sum"),
            (F.kl_div(log_p, mixture, reduction="sum") + F.kl_div(log_q, mixture, reduction="sum")) / 2,
        ]
        steps.append(
            [
                log_q[token],
                q[token],
                now[token],
                log_p[token] - log_q[token],
                q.max(),
                largest[0],
                float(changed),
                _entropy(q),
                largest[0] - largest[1],
                now.norm(),
                *divergences,
                F.cosine_similarity(start, now, dim=0),
                F.cosine_similarity(state, there, dim=0),
                (there - state).norm(),
            ]
        )
    path = torch.tensor(steps, dtype=torch.float64)
    drop = path[:, PERTURBED_STEMS.index("delta_log_prob_actual_from_original")].clamp_min(0)
    integral = float(drop.sum() - drop[-1] / 2) / len(path)
    summaries = torch.stack([path.amin(0), path.amax(0), path.mean(0), path.std(0, unbiased=False)], dim=1)
    first = torch.tensor([*original, gradient_norm, flip, integral], dtype=torch.float64)
    return torch.cat([first, summaries.flatten()])


def _entropy(p: Tensor) -> Tensor:
    return -(p * (p + 1e-6).log()).sum()
