"""Adapters on tiny random models: no trace before they have learnt, none after they are taken off."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ccps.core.errors import UserError
from ccps.llm import LanguageModel
from ccps.tuning import Adapter, TuningConfig
from ccps.tuning.adapter import SETTINGS_FILE, WEIGHTS_FILE

IDS = torch.arange(20)[None]


@torch.no_grad()
def logits(lm: LanguageModel) -> torch.Tensor:
    logits: torch.Tensor = lm.model(IDS).logits
    return logits


def shake(adapter: Adapter) -> None:
    """Weights that have learnt something."""
    with torch.no_grad():
        for number, value in enumerate(adapter.parameters().values()):
            value.copy_(torch.linspace(-1, 1, value.numel()).reshape(value.shape) / (number + 2))


@pytest.mark.parametrize(("architecture", "dtype"), [("llama", "bfloat16"), ("qwen2", "float32"), ("gpt2", "float32")])
def test_a_model_comes_back_as_it_was(
    tiny_model: Callable[..., LanguageModel], tiny_config: Callable[..., object], architecture: str, dtype: str
) -> None:
    changes = {"n_embd": 32, "n_layer": 2, "n_head": 4} if architecture == "gpt2" else {}
    lm = tiny_model(architecture, dtype=dtype, **changes)
    before, modules = logits(lm), {name: id(module) for name, module in lm.model.named_modules()}
    adapter = Adapter.new(lm, TuningConfig())
    assert torch.equal(logits(lm), before)  # nothing learnt, nothing changed
    shake(adapter)
    assert not torch.equal(logits(lm), before)
    adapter.take_off()
    assert torch.equal(logits(lm), before)
    assert {name: id(module) for name, module in lm.model.named_modules()} == modules
    assert not any(value.requires_grad for value in lm.model.parameters())
    assert not any(module.training for module in lm.model.modules())


def test_only_query_and_value_projections_are_adapted_by_default(tiny_model: Callable[..., LanguageModel]) -> None:
    """2 layers; q from 32 to 32 and v from 32 to 16, each by way of rank 8."""
    lm = tiny_model("llama", dtype="bfloat16")
    adapter = Adapter.new(lm, TuningConfig(rank=8))
    try:
        parameters = adapter.parameters()
        assert all("q_proj" in name or "v_proj" in name for name in parameters)
        assert sum(value.numel() for value in parameters.values()) == 2 * (8 * (32 + 32) + 8 * (32 + 16))
        assert {value.dtype for value in parameters.values()} == {torch.float32}
    finally:
        adapter.take_off()


def test_an_adapter_is_saved_and_loaded_without_pickle(
    tiny_model: Callable[..., LanguageModel], tmp_path: Path
) -> None:
    lm = tiny_model("llama", dtype="bfloat16")
    adapter = Adapter.new(lm, TuningConfig(dropout=0.0))
    shake(adapter)
    tuned = logits(lm)
    adapter.save(tmp_path)
    adapter.take_off()
    assert {path.name for path in tmp_path.iterdir()} == {WEIGHTS_FILE, SETTINGS_FILE}
    again = Adapter.load(lm, tmp_path)
    assert torch.equal(logits(lm), tuned)
    assert not again.parameters()
    again.take_off()
    assert not torch.equal(logits(lm), tuned)


def test_the_seed_decides_the_initial_weights_and_torch_keeps_its_own(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    state = torch.random.get_rng_state()
    first, again, other = (_initial(lm, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def _initial(lm: LanguageModel, seed: int) -> torch.Tensor:
    adapter = Adapter.new(lm, TuningConfig(seed=seed))
    values = torch.cat([value.detach().flatten() for value in adapter.parameters().values()])
    adapter.take_off()
    return values


@pytest.mark.parametrize("names", [["no_such_layer"], ["lm_head"]])
def test_layers_that_are_not_there_or_must_not_change_are_refused(
    tiny_model: Callable[..., LanguageModel], names: list[str]
) -> None:
    lm = tiny_model("llama")
    before = logits(lm)
    with pytest.raises(UserError, match=r"Expected `tuning.target_modules` to be layers of model"):
        Adapter.new(lm, TuningConfig(target_modules=names))
    assert torch.equal(logits(lm), before)
    Adapter.new(lm, TuningConfig(target_modules=["k_proj"])).take_off()
