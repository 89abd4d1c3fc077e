"""Quantised weights: by a quantiser of our own that always is there, and by the libraries where they are installed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING, AUTO_QUANTIZER_MAPPING
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, ModelConfig, Passage, final_states, find_model, load_model
from ccps.llm.quantise import RECIPES, Recipe, check_full_precision

PASSAGES = [Passage([5, 6, 7, 8, 9], [50, 51, 52]), Passage([60, 61, 62])]


class RoundedConfig(QuantizationConfigMixin):
    def __init__(self, quant_method: str = "rounded") -> None:
        self.quant_method = quant_method  # type: ignore[assignment]


def rounded(weight: Any) -> Any:
    """Integers of 8 bits with one scale for each row."""
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    return (weight / scale).round() * scale


class Rounding(HfQuantizer):
    """Rounds the weights it would quantise; leaves out what transformers has all quantisers leave out."""

    is_trainable = False

    def is_serializable(self) -> bool:
        return False

    def _process_model_after_weight_loading(self, model: Any, **_: Any) -> Any:
        kept = self.get_modules_to_not_convert(model)
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear) and name not in kept:
                module.weight.data = rounded(module.weight.data)
        return model


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """`int8` that is installed everywhere."""
    monkeypatch.setitem(AUTO_QUANTIZATION_CONFIG_MAPPING, "rounded", RoundedConfig)
    monkeypatch.setitem(AUTO_QUANTIZER_MAPPING, "rounded", Rounding)
    monkeypatch.setitem(RECIPES, "int8", Recipe("nothing", lambda: True, lambda dtype: RoundedConfig()))


@pytest.fixture(scope="module", params=["untied", "tied"])
def saved(
    request: pytest.FixtureRequest, tiny_model: Callable[..., LanguageModel], tmp_path_factory: pytest.TempPathFactory
) -> ModelConfig:
    lm = tiny_model("llama", hidden_size=64, tie_word_embeddings=request.param == "tied")
    folder = tmp_path_factory.mktemp(request.param)
    lm.model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return ModelConfig(source="folder", location=str(folder), dtype="float32")


def load(config: Any, **changes: Any) -> Any:
    return load_model(find_model("m", replace(config, **changes)))


def check_against_plain(saved: Any, quantisation: Any, error: Any) -> tuple[Any, Any]:
    """The head is that of the plain model, tied or not; layers are quantised; states are near, but not the same."""
    plain, lm = load(saved), load(saved, quantisation=quantisation)
    assert torch.equal(lm.head.weight, plain.head.weight)
    ours, theirs = (torch.cat(final_states(one, PASSAGES)) for one in (lm, plain))
    assert 0 < (ours - theirs).norm() < error * theirs.norm()
    assert torch.equal(lm.own_logits(ours), plain.own_logits(ours))
    return plain, lm


def test_layers_are_quantised_and_the_head_is_not(saved: ModelConfig, fake: None) -> None:
    plain, lm = check_against_plain(saved, "int8", 0.05)
    ours, theirs = dict(lm.model.named_parameters()), dict(plain.model.named_parameters())
    layers = {name for name in theirs if name.endswith("proj.weight")}
    assert len(layers) == 2 * 7
    for name, weight in theirs.items():
        assert torch.equal(ours[name], rounded(weight) if name in layers else weight), name


@pytest.mark.parametrize(("quantisation", "error"), [("int8", 0.05), ("nf4", 0.5)])
def test_so_it_is_with_the_real_libraries(saved: ModelConfig, quantisation: str, error: float) -> None:
    if not RECIPES[quantisation].is_there():
        pytest.skip(f"{RECIPES[quantisation].package} is not installed")
    plain, lm = check_against_plain(saved, quantisation, error)
    weights = [one.model.get_decoder().layers[0].mlp.up_proj.weight for one in (plain, lm)]
    assert type(weights[0]) is not type(weights[1])
    alone = torch.cat([final_states(lm, [passage])[0] for passage in PASSAGES])
    torch.testing.assert_close(torch.cat(final_states(lm, PASSAGES)), alone, rtol=1e-4, atol=1e-4)


def test_quantised_weights_are_another_model(saved: ModelConfig, fake: None) -> None:
    plain, again, int8 = (find_model("m", replace(saved, quantisation=name)) for name in (None, None, "int8"))
    assert plain.fingerprint == again.fingerprint != int8.fingerprint


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(UserError, match=r"`model\.m\.quantisation` to be one of int8, nf4, or null, but got 'int3'"):
        find_model("m", ModelConfig(source="folder", location="nowhere", quantisation="int3"))


@pytest.mark.parametrize(("quantisation", "package"), [("int8", "torchao"), ("nf4", "bitsandbytes")])
def test_a_library_that_is_missing_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, quantisation: str, package: str
) -> None:
    monkeypatch.setitem(RECIPES, quantisation, RECIPES[quantisation]._replace(is_there=lambda: False))
    with pytest.raises(UserError, match=rf"package {package}, which .*to be installed.*pip install 'ccps\[quant\]'"):
        find_model("m", ModelConfig(source="folder", location="nowhere", quantisation=quantisation))


def test_random_weights_are_not_quantised(tiny_config: Callable[..., ModelConfig], fake: None) -> None:
    with pytest.raises(UserError, match=r"`model\.m\.quantisation` to be null for random weights"):
        find_model("m", replace(tiny_config("llama"), quantisation="int8"))


def test_a_mapping_that_offloads_is_refused_at_once(fake: None) -> None:
    mapping = {"model": "cpu", "lm_head": "disk"}
    config = ModelConfig(source="folder", location="nowhere", quantisation="int8", device_map=mapping)
    with pytest.raises(UserError, match=r"GPUs alone, or the CPU alone, for quantised weights, but got cpu, disk"):
        find_model("m", config)


def test_weights_that_spill_over_are_refused(saved: ModelConfig, fake: None) -> None:
    with pytest.raises(UserError, match=r"int8 weights of model `m` to be on GPUs alone.*parts of them on .*disk"):
        load(saved, quantisation="int8", device_map="auto", max_memory={"cpu": "100KB"})


def test_one_device_by_name_is_no_offloading(saved: ModelConfig, fake: None) -> None:
    lm = load(saved, quantisation="int8", device_map={"": "cpu"})
    assert lm.device == torch.device("cpu")


@pytest.mark.filterwarnings("ignore:You passed `quantization_config`")
def test_a_checkpoint_that_is_quantised_already_is_refused(saved: ModelConfig, fake: None, tmp_path: Path) -> None:
    lm = load(saved)
    lm.model.save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "quantization_config": {"quant_method": "rounded"}}))
    with pytest.raises(UserError, match=r"checkpoint of model `m` to be one of plain weights.*quantised.*rounded"):
        load(saved, location=str(tmp_path), quantisation="int8")


@pytest.mark.parametrize(
    "weight",
    [
        torch.zeros(3, 4, dtype=torch.int8),
        torch.Tensor._make_subclass(type("Packed", (torch.Tensor,), {}), torch.zeros(3, 4)),
    ],
)
def test_a_quantised_head_is_refused(weight: Any) -> None:
    head = nn.Linear(4, 3, bias=False)
    del head.weight
    head.weight = weight
    with pytest.raises(UserError, match=r"head of model `m` to be held in full precision .*quantisation=int8"):
        check_full_precision("m", head, torch.bfloat16)
    check_full_precision("m", nn.Linear(4, 3), torch.float32)
