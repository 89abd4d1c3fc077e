import pytest
import torch

from ccps.perturbation import products, stability_features
from ccps.perturbation.products import CAST, SPLIT, parts
from experiments.benchmarks.precision import BOUNDS, by_row, errors
from experiments.benchmarks.precision_cases import CASES
from experiments.benchmarks.precision_features import GRID, by_definition


def test_parts_are_bfloat16_and_add_up_but_for_the_last_bits() -> None:
    values = torch.randn(40, 60, generator=torch.Generator().manual_seed(0)) * torch.logspace(-20, 20, 60)
    taken = list(parts(values))
    assert {part.dtype for part in taken} == {torch.bfloat16}
    whole = sum(part.double() for part in taken)
    # Each part rounds what is left to 8 bits: three leave out half a unit of the 24th.
    assert ((whole - values.double()).abs() <= 2.0**-24 * values.double().abs()).all()
    assert ((taken[0].double() - values.double()).abs() > 2.0**-12 * values.double().abs()).any()


@pytest.mark.numeric
@pytest.mark.parametrize("product", [CAST, SPLIT])
def test_products_are_those_of_float64(product: products.Products, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(300, 50, generator=generator).bfloat16()
    states, values = torch.randn(7, 50, generator=generator), torch.randn(7, 300, generator=generator)
    out = torch.full((7, 300), torch.nan)
    monkeypatch.setattr(products, "_RUN", 70)
    product.project(states, weight, out)
    # A sum of n float32 products is off by at most n roundings of the sum of their sizes.
    bound = 2.0**-24 * 50 * (states.double().abs() @ weight.double().abs().T)
    assert ((out.double() - states.double() @ weight.double().T).abs() <= bound).all()
    back = product.pull_back(values, weight)
    bound = 2.0**-24 * 300 * (values.double().abs() @ weight.double().abs())
    assert ((back.double() - values.double() @ weight.double()).abs() <= bound).all()


def test_a_float32_head_is_multiplied_whole_and_another_cast_a_run_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second copy of a head may not fit."""
    weight = torch.randn(7, 5, generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(products, "_CAST_BYTES", 4 * 5 * 3)
    ((rows, block),) = products._float32_blocks(weight)
    assert block.data_ptr() == weight.data_ptr()
    assert block.shape == weight[rows].shape == (7, 5)
    low = weight.bfloat16()
    for at_once, size in ((4 * 5 * 3, 3), (1, 1)):
        monkeypatch.setattr(products, "_CAST_BYTES", at_once)
        blocks = list(products._float32_blocks(low))
        assert [len(block) for _, block in blocks] == [size] * (7 // size) + [7 % size] * bool(7 % size)
        assert torch.equal(torch.cat([block for _, block in blocks]), low.float())
        assert [rows.start for rows, _ in blocks] == list(range(0, 7, size))


def test_states_of_bfloat16_are_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    multiplied: list[torch.Tensor] = []
    real = products._in_float32

    def counted(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        multiplied.append(values)
        return real(values, weight)

    monkeypatch.setattr(products, "_in_float32", counted)
    weight, states = torch.ones(5, 3).bfloat16(), torch.full((2, 3), 1 / 3)
    SPLIT.project(states.bfloat16().float(), weight, torch.empty(2, 5))
    assert len(multiplied) == 1
    SPLIT.project(states, weight, torch.empty(2, 5))
    assert len(multiplied) == 1 + 3


@pytest.mark.numeric
@pytest.mark.parametrize("name", ["ordinary", "saturated", "huge", "masked"])
def test_features_by_parts_keep_the_bounds_of_float32(name: str) -> None:
    """What a GPU does in one product with float32 sums is done by float32 copies of the same bfloat16 numbers."""
    case = CASES[name]()
    low = case.weight.bfloat16()
    assert torch.equal(low.float(), case.weight)
    found = stability_features(case.hidden, low, case.token_ids, *GRID, bias=case.bias, way="split")
    worst = by_row(errors(found, by_definition(case)).amax(0))
    bounds = {row: bound.huge if name == "huge" else bound.usual for row, bound in BOUNDS.items()}
    assert {row: value for row, value in worst.items() if not value <= bounds[row]} == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_returns_float32_sums() -> None:
    generator = torch.Generator().manual_seed(2)
    values, weight = (torch.randn(64, 64, generator=generator).bfloat16() for _ in range(2))
    found = products._in_float32(values.cuda(), weight.cuda())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.cpu(), values.float() @ weight.float(), rtol=1e-5, atol=1e-4)
