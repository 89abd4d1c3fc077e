"""Layers that multiply by weights laid out once, against the same layers without: not a bit may differ."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ccps.core.machine import Memory
from ccps.llm import LanguageModel, find_model, load_model, packed
from ccps.llm.packed import PackedLinear, pack

SIZES = [(1, 3), (1, 32), (2, 7), (5, 64), (3, 150)]
needs_product = pytest.mark.skipif(not packed._can_pack(), reason="needs a CPU on which oneDNN multiplies bfloat16")


class Decoder(nn.Module):
    """Layers as a decoder has them: with a bias and without, wide and narrow."""

    def __init__(self, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.up = nn.Linear(192, 640, bias=False)
        self.down = nn.Linear(640, 192)
        self.to(dtype)
        self.requires_grad_(False)

    def get_decoder(self) -> "Decoder":
        return self

    def forward(self, states: Tensor) -> Tensor:
        out: Tensor = self.down(functional.silu(self.up(states)))
        return out


def states(rows: int = 9, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    return torch.randn(rows, 192, generator=torch.Generator().manual_seed(rows)).to(dtype)


def kinds(model: nn.Module) -> set[type]:
    return {type(layer) for layer in model.modules() if isinstance(layer, nn.Linear)}


@needs_product
@pytest.mark.parametrize("rows", [1, 2, 17, 100, 150, 300])
def test_products_are_the_same_to_the_bit(rows: int) -> None:
    model, plain = Decoder(), Decoder()
    assert pack(model) == 2
    assert kinds(model) == {PackedLinear}
    with torch.inference_mode():
        for shape in ((rows, 192), (1, rows, 192)):
            given = states(rows).reshape(shape)
            assert torch.equal(model(given), plain(given))


@needs_product
def test_a_whole_model_reads_the_same(
    tiny_config: Callable[..., Any], tiny_model: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"hidden_size": 128, "intermediate_size": 256, "seed": 5}
    lm = tiny_model("qwen2", dtype="bfloat16", **sizes)
    monkeypatch.setattr(packed, "_can_pack", lambda: False)
    plain = load_model(find_model("plain", tiny_config("qwen2", dtype="bfloat16", **sizes)))
    assert PackedLinear in kinds(lm.model.get_decoder())
    assert kinds(plain.model) == {nn.Linear}
    assert type(lm.model.get_output_embeddings()) is nn.Linear  # its weight is the head that all else reads
    for rows, length in SIZES:
        ids = torch.randint(259, (rows, length), generator=torch.Generator().manual_seed(length))
        with torch.inference_mode():
            one, other = (each.model(input_ids=ids).logits for each in (lm, plain))
        assert torch.equal(one, other)


@needs_product
def test_gradients_go_through_the_weight_itself() -> None:
    model, plain = Decoder(), Decoder()
    pack(model)
    found = list[Tensor]()
    for one in (model, plain):
        given = states().requires_grad_()
        found += torch.autograd.grad(one(given).float().square().sum(), given)
    assert torch.equal(found[0], found[1])


@needs_product
@pytest.mark.parametrize("change", ["in place", "float32"])
def test_a_weight_that_has_changed_counts(change: str) -> None:
    model, plain = Decoder(), Decoder()
    pack(model)
    for one in (model, plain):
        if change == "in place":
            with torch.no_grad():
                one.up.weight.mul_(2)
        else:
            one.float()
    dtype = torch.float32 if change == "float32" else torch.bfloat16
    with torch.inference_mode():
        assert torch.equal(model(states(dtype=dtype)), plain(states(dtype=dtype)))


@needs_product
def test_other_bits_are_never_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    product = packed._product
    # One more than it should be, and only in batches: what is tried must show it.
    monkeypatch.setattr(packed, "_product", lambda x, w, b: product(x, w, b) + (len(x) > 100))
    model = Decoder()
    assert pack(model) == 0
    assert kinds(model) == {nn.Linear}


@needs_product
@pytest.mark.parametrize(("free", "layers"), [(4 * 2 * 2 * 640 * 192, 2), (4 * 2 * 2 * 640 * 192 - 1, 0), (None, 0)])
def test_copies_take_a_quarter_of_what_is_free_at_most(
    free: int | None, layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "memory", lambda: Memory(None, free))
    assert pack(Decoder()) == layers


def test_other_layers_are_left_as_they_are() -> None:
    class Own(nn.Linear):
        """A layer that does something else."""

    model = Decoder()
    model.up = Own(192, 640).to(torch.bfloat16)
    model.down._hf_hook = SimpleNamespace()  # type: ignore[assignment]
    assert pack(model) == pack(Decoder(torch.float32)) == pack(Decoder(torch.float16)) == 0
    assert kinds(model) == {Own, nn.Linear}


def test_nothing_happens_where_torch_has_another_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*given: Any) -> Tensor:
        raise AttributeError("no such operator")

    monkeypatch.setattr(packed, "_laid_out", gone)
    assert pack(Decoder()) == 0
