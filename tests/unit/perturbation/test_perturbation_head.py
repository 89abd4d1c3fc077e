from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ccps.perturbation import (
    Grid,
    Head,
    flip_radius,
    ray,
    reference_features,
    stability_features,
    stability_features_sweep,
)

ROWS, WIDTH, TOKENS = 50, 16, 12


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def hidden() -> torch.Tensor:
    return torch.randn(TOKENS, WIDTH, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def bias() -> torch.Tensor:
    return torch.randn(ROWS, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_what_the_own_layer_gives_is_scaled_and_capped(
    weight: torch.Tensor, bias: torch.Tensor, hidden: torch.Tensor, softcap: float | None
) -> None:
    head = Head(2 * weight, 2 * bias, softcap, scale=2.0)
    own = torch.nn.functional.linear(hidden, weight, bias)
    torch.testing.assert_close(head.scaled_and_capped(own), head.logits(hidden))
    assert head.scaled_and_capped(own.bfloat16()).dtype == torch.bfloat16


def test_blocks_of_rows_make_one_product(
    monkeypatch: pytest.MonkeyPatch, weight: torch.Tensor, bias: torch.Tensor, hidden: torch.Tensor
) -> None:
    monkeypatch.setattr("ccps.perturbation.head._ROWS_PER_BLOCK", 7)
    torch.testing.assert_close(Head(weight, bias).logits(hidden), hidden @ weight.T + bias)


def test_half_precision_head_gives_float32_logits(weight: torch.Tensor, hidden: torch.Tensor) -> None:
    logits = Head(weight.bfloat16()).logits(hidden.bfloat16())
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, hidden.bfloat16().float() @ weight.bfloat16().float().T)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(("softcap", "scale"), [(None, 1.0), (30.0, 1.0), (0.1, 1 / 13)])
def test_head_is_read_as_it_was_written(
    tmp_path: Path, weight: torch.Tensor, bias: torch.Tensor, with_bias: bool, softcap: float | None, scale: float
) -> None:
    head = Head(weight.bfloat16().T.contiguous().T, bias if with_bias else None, softcap, scale)
    head.save(tmp_path / "head.safetensors")
    read: Any = Head.load(tmp_path / "head.safetensors")
    assert read.weight.dtype == torch.bfloat16
    assert torch.equal(read.weight, head.weight)
    assert torch.equal(read.bias, bias) if with_bias else read.bias is None
    assert (read.softcap, read.scale) == (softcap, scale)


def test_head_without_a_cap_or_scale_is_written_as_weight_and_bias_alone(
    tmp_path: Path, weight: torch.Tensor, bias: torch.Tensor
) -> None:
    Head(weight, bias).save(tmp_path / "head.safetensors")
    assert sorted(load_file(tmp_path / "head.safetensors")) == ["bias", "weight"]


def test_head_is_moved_whole(weight: torch.Tensor, bias: torch.Tensor) -> None:
    moved = Head(weight.bfloat16(), bias, 5.0).to(torch.device("meta"), torch.float32)
    assert moved.bias is not None
    assert (moved.weight.device.type, moved.bias.device.type) == ("meta", "meta")
    assert (moved.weight.dtype, moved.softcap) == (torch.float32, 5.0)
    assert Head(weight.bfloat16()).to(torch.device("cpu")).weight.dtype == torch.bfloat16


@pytest.mark.parametrize("softcap", [None, 5.0])
@pytest.mark.parametrize("compute", [stability_features, reference_features, flip_radius, ray])
def test_head_stands_for_its_parts(
    compute: Any, weight: torch.Tensor, bias: torch.Tensor, hidden: torch.Tensor, softcap: float | None
) -> None:
    ids = torch.arange(TOKENS)
    whole = compute(hidden, Head(weight, bias, softcap), ids)
    parts = compute(hidden, weight, ids, bias=bias, softcap=softcap)
    pairs = [(whole, parts)] if isinstance(whole, torch.Tensor) else zip(whole, parts, strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", ["bias", "softcap"])
def test_second_bias_or_cap_beside_a_head_is_refused(
    weight: torch.Tensor, bias: torch.Tensor, hidden: torch.Tensor, name: str
) -> None:
    second: dict[str, Any] = {name: {"bias": bias, "softcap": 5.0}[name]}
    message = f"Expected `{name}` to be None beside a head, which has its own, but got another one. Leave it out"
    with pytest.raises(ValueError, match=message):
        stability_features_sweep(hidden, Head(weight), torch.arange(TOKENS), [Grid(20.0, 5)], **second)
