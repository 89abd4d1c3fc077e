"""How exact the 75 features are, and how far lower precision moves them.

python -m experiments.benchmarks.precision   prints the tables of docs/numerics.md; a minute, 3 GiB

The truth is what the definitions give in float64, one state and radius after the other, with no formula of the package.
Errors are relative to 1 + |value|, the largest over the tokens of a case.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ccps.perturbation import FEATURE_NAMES, stability_features
from ccps.perturbation.names import ORIGINAL_NAMES, PERTURBED_STEMS, SUMMARIES, TRAJECTORY_NAMES
from experiments.benchmarks.precision_cases import CASES, Case, ordinary
from experiments.benchmarks.precision_features import GRID, as_released, by_definition, in_bfloat16

ROWS = (*ORIGINAL_NAMES, *TRAJECTORY_NAMES, *PERTURBED_STEMS)
"""Rows of the tables: a column, or the four summaries of one quantity."""


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
