from pathlib import Path

import pytest
import torch

from ccps.perturbation import FEATURE_NAMES, reference_features
from experiments.benchmarks.precision import (
    BOUNDS,
    ROWS,
    WITHIN,
    by_row,
    errors,
    float32_errors,
)
from experiments.benchmarks.precision_cases import CASES, Case
from experiments.benchmarks.precision_features import as_released, by_definition, in_bfloat16

PAGE = Path(__file__).parents[3] / "docs" / "numerics.md"


@pytest.mark.numeric
@pytest.mark.parametrize("name", CASES)
def test_float32_keeps_within_the_bounds_of_the_page(name: str) -> None:
    found = by_row(float32_errors(CASES[name]()))
    bounds = {row: bound.huge if name == "huge" else bound.usual for row, bound in BOUNDS.items()}
    assert {row: value for row, value in found.items() if not value <= bounds[row]} == {}


def test_cases_are_what_they_are_called() -> None:
    def logits(name: str) -> torch.Tensor:
        case = CASES[name]()
        return case.hidden.double() @ case.weight.double().T + (0 if case.bias is None else case.bias)

    chosen = CASES["saturated"]().token_ids
    left = logits("saturated").softmax(1).scatter(1, chosen[:, None], 0.0).sum(1)
    assert left.max() > 1e-2
    assert left.min() < 2**-24 / 1000  # half of what float32 has just below 1
    top = logits("tied").topk(2).values
    assert torch.equal(top[:, 0], top[:, 1])
    assert (logits("uniform").softmax(1) * 4096 - 1).abs().max() < 1e-2
    assert logits("huge").amax(1).min() > 3000
    assert logits("tiny").abs().max() < 1e-3
    assert logits("256k").shape[1] == 2**18
    assert (logits("masked").softmax(1)[:, ::10] == 0).all()


def test_the_definition_agrees_with_the_step_by_step_reference() -> None:
    case = CASES["ordinary"]()
    few = Case(case.hidden[:4], case.weight, case.token_ids[:4])
    torch.testing.assert_close(
        by_definition(few), reference_features(few.hidden, few.weight, few.token_ids).double(), rtol=1e-4, atol=1e-4
    )


def test_errors_are_relative_and_infinite_where_one_value_is() -> None:
    true = torch.tensor([0.0, 9.0, torch.inf, torch.inf])
    found = torch.tensor([0.1, 10.0, torch.inf, 20.0])
    assert errors(found, true).tolist() == pytest.approx([0.1, 0.1, 0.0, torch.inf])
    columns = torch.zeros(75)
    columns[FEATURE_NAMES.index("perturbed_entropy_std")] = 3.0
    assert {row: value for row, value in by_row(columns).items() if value} == {"perturbed_entropy": 3.0}
    assert sum(row in FEATURE_NAMES for row in ROWS) == 15


def test_a_probe_does_not_go_from_one_precision_to_another() -> None:
    """The warning where probes are shared: lower precision moves most columns by more than a few roundings."""
    case = CASES["ordinary"]()
    true = by_definition(case)
    for low, at_most in ((in_bfloat16, 25), (as_released, 5)):
        assert int((errors(low(case), true).amax(0) <= WITHIN).sum()) <= at_most


def test_the_page_holds_every_bound() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for row, bound in BOUNDS.items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{row}` |") and line.count("|") == 12]
        assert line.endswith(f"| {bound.usual:.0e} | {bound.huge:.0e} |")
