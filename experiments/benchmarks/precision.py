"""How exact the 75 features are, and how far lower precision moves them.

python -m experiments.benchmarks.precision   prints the tables of docs/numerics.md; a minute, 3 GiB

The truth is what the definitions give in float64, one state and radius after the other, with no formula of the package.
Errors are relative to 1 + |value|, the largest over the tokens of a case.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ccps.perturbation import FEATURE_NAMES, Grid, stability_features
from ccps.perturbation.names import ORIGINAL_NAMES, PERTURBED_STEMS, SUMMARIES, TRAJECTORY_NAMES

GRID = Grid()
FLAT = 1e-9
ROWS = (*ORIGINAL_NAMES, *TRAJECTORY_NAMES, *PERTURBED_STEMS)
"""Rows of the tables: a column, or the four summaries of one quantity."""


class Case(NamedTuple):
    """States, the head, and the tokens that were chosen, all float32 (ids aside)."""

    hidden: Tensor
    weight: Tensor
    token_ids: Tensor
    bias: Tensor | None = None


def _case(vocabulary: int, width: int, tokens: int, *, logits: float, seed: int = 0) -> Case:
    """Random states, logits of this standard deviation; half of the tokens are the model's own choice.

    Weights are numbers of bfloat16, as those of most checkpoints, so that reading them so loses nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    weight = (torch.randn(vocabulary, width, generator=generator) / math.sqrt(width)).bfloat16().float()
    hidden = torch.randn(tokens, width, generator=generator) * logits
    ids = torch.randint(vocabulary, (tokens,), generator=generator)
    ids[::2] = (hidden @ weight.T).argmax(1)[::2]
    return Case(hidden, weight, ids)


def ordinary() -> Case:
    """Logits as those of a language model."""
    return _case(4096, 64, 64, logits=4.0)


def saturated() -> Case:
    """The chosen token has all probability, up to where 1 − p is 1e-15."""
    case = _case(4096, 64, 24, logits=1.0, seed=1)
    ids = case.token_ids
    ahead = torch.linspace(10, 60, len(ids))[:, None]
    rows = case.weight[ids]
    return case._replace(hidden=case.hidden + ahead * rows / rows.norm(dim=1, keepdim=True) ** 2)


def tied() -> Case:
    """Every row of the head stands there twice, so that the two largest logits are equal."""
    case = _case(2048, 64, 24, logits=4.0, seed=2)
    return case._replace(weight=case.weight.repeat(2, 1))


def uniform() -> Case:
    """All logits of the unmoved state are nearly equal."""
    case = _case(4096, 64, 24, logits=1.0, seed=3)
    return case._replace(hidden=case.hidden * 1e-4)


def huge() -> Case:
    """Logits in the thousands."""
    return _case(4096, 64, 24, logits=1500.0, seed=4)


def tiny() -> Case:
    """A head so small that all moves change logits by less than a thousandth."""
    case = _case(4096, 64, 24, logits=1.0, seed=5)
    return case._replace(weight=case.weight * 1e-5)


def vocabulary_256k() -> Case:
    """As large a vocabulary as there is."""
    return _case(262_144, 64, 8, logits=4.0, seed=6)


def masked() -> Case:
    """A tenth of the vocabulary is ruled out by a bias of −10,000."""
    case = _case(4096, 64, 24, logits=4.0, seed=7)
    bias = torch.zeros(4096)
    bias[::10] = -1e4
    ids = torch.where(case.token_ids % 10 == 0, case.token_ids + 1, case.token_ids)
    return case._replace(bias=bias, token_ids=ids)


CASES: Mapping[str, Callable[[], Case]] = {
    "ordinary": ordinary,
    "saturated": saturated,
    "tied": tied,
    "uniform": uniform,
    "huge": huge,
    "tiny": tiny,
    "256k": vocabulary_256k,
    "masked": masked,
}


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


def errors(found: Tensor, true: Tensor) -> Tensor:
    """|found − true| / (1 + |true|) of every token and column; 0 where both are infinite, inf where one is."""
    found, true = found.double(), true.double()
    return torch.where(found == true, 0.0, (found - true).abs() / (1 + true.abs())).nan_to_num(math.inf, math.inf)


def by_row(columns: Tensor) -> dict[str, float]:
    """The largest of the summaries of a quantity, for each of `ROWS`, of a number for each column `[75]`."""
    found = {}
    for row in ROWS:
        names = [row] if row in FEATURE_NAMES else [f"{row}_{summary}" for summary in SUMMARIES]
        found[row] = max(float(columns[FEATURE_NAMES.index(name)]) for name in names)
    return found


def float32_errors(case: Case) -> Tensor:
    """The largest error of each column over the tokens of a case, `[75]`."""
    found = stability_features(case.hidden, case.weight, case.token_ids, *GRID, bias=case.bias)
    return errors(found, by_definition(case)).amax(0)


class Bound(NamedTuple):
    """What an error must not exceed: four times the largest one measured, and no less than a rounding of the value.

    Another processor sums in another order, which moves an error by such a factor.
    """

    usual: float
    huge: float
    """With logits in the thousands, whose own rounding is some ten thousandths."""


BOUNDS: Mapping[str, Bound] = {
    "original_log_prob_actual": Bound(1e-5, 1e-5),
    "original_prob_actual": Bound(5e-6, 5e-6),
    "original_logit_actual": Bound(5e-6, 2e-5),
    "original_prob_argmax": Bound(5e-6, 2e-4),
    "original_logit_argmax": Bound(2e-6, 2e-6),
    "original_entropy": Bound(1e-5, 1e-5),
    "original_margin_logit_top1_top2": Bound(5e-5, 5e-4),
    "original_margin_prob_top1_top2": Bound(5e-6, 2e-4),
    "original_norm_logits_L2": Bound(1e-5, 1e-5),
    "original_std_logits": Bound(1e-5, 1e-5),
    "original_norm_hidden_state_L2": Bound(5e-7, 5e-7),
    "is_actual_token_original_argmax": Bound(1e-7, 1e-7),
    "jacobian_norm_token": Bound(5e-6, 5e-6),
    "epsilon_to_flip_token": Bound(1e-7, 1e-7),
    "pei_value_token": Bound(1e-5, 5e-5),
    "perturbed_log_prob_actual": Bound(2e-5, 2e-5),
    "perturbed_prob_actual": Bound(1e-5, 1e-5),
    "perturbed_logit_actual": Bound(2e-5, 2e-5),
    "delta_log_prob_actual_from_original": Bound(2e-5, 1e-4),
    "perturbed_prob_argmax": Bound(2e-5, 2e-5),
    "perturbed_logit_argmax": Bound(2e-5, 2e-5),
    "did_argmax_change_from_original": Bound(1e-7, 1e-7),
    "perturbed_entropy": Bound(5e-5, 5e-5),
    "perturbed_margin_logit_top1_top2": Bound(1e-4, 2e-4),
    "perturbed_norm_logits_L2": Bound(2e-5, 2e-5),
    "kl_div_perturbed_from_original": Bound(2e-5, 5e-4),
    "js_div_perturbed_from_original": Bound(2e-5, 2e-4),
    "cosine_sim_logits_perturbed_to_original": Bound(1e-6, 1e-6),
    "cosine_sim_hidden_perturbed_to_original": Bound(5e-7, 5e-7),
    "l2_dist_hidden_perturbed_from_original": Bound(1e-7, 1e-7),
}


def error_table(found: Mapping[str, Tensor]) -> str:
    """Largest errors of float32, a case in each column, and the bounds that tests hold them to, in Markdown."""
    cells = {name: by_row(columns) for name, columns in found.items()}
    cells["bound"] = {row: bound.usual for row, bound in BOUNDS.items()}
    cells["bound, huge"] = {row: bound.huge for row, bound in BOUNDS.items()}
    lines = ["| feature | " + " | ".join(cells) + " |", "|---|" + "--:|" * len(cells)]
    lines += [f"| `{row}` | " + " | ".join(f"{each[row]:.0e}" for each in cells.values()) + " |" for row in ROWS]
    return "\n".join(lines)


WITHIN = 1e-4


def shift_table(case: Case) -> str:
    """How far a model in bfloat16, and the released defaults, move features of an ordinary case, in Markdown."""
    true = by_definition(case)
    shifts = [errors(low(case), true) for low in (in_bfloat16, as_released)]
    lines = ["| feature | bfloat16, median | largest | released, median | largest |", "|---|--:|--:|--:|--:|"]
    cells = [by_row(values) for shift in shifts for values in (shift.median(0).values, shift.amax(0))]
    lines += [f"| `{row}` | " + " | ".join(f"{each[row]:.0e}" for each in cells) + " |" for row in ROWS]
    within = [int((shift.amax(0) <= WITHIN).sum()) for shift in shifts]
    lines.append(f"| columns within {WITHIN:.0e}, of 75 | | {within[0]} | | {within[1]} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    print(error_table({name: float32_errors(make()) for name, make in CASES.items()}), end="\n\n", flush=True)
    print(shift_table(ordinary()))


if __name__ == "__main__":
    main()
