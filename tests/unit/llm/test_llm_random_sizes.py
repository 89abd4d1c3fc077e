"""The architectures kept in `conf/model`, at full size without memory, and as toys."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from omegaconf import OmegaConf
from transformers import AutoConfig

from ccps.core.errors import UserError
from ccps.llm import ModelConfig, find_model, load_model
from ccps.llm.random_model import random_model, toy
from experiments.configs import CONF

# What the checkpoints' own indices (model.safetensors.index.json) make of it: total_size / 2 bytes.
PARAMETERS = {
    "llama31_8b_random": 8_030_261_248,
    "qwen25_14b_random": 14_770_033_664,
    "mistral_small_24b_random": 23_572_403_200,
    "qwen25_32b_random": 32_763_876_352,
}
OF_THE_PAPER = sorted(PARAMETERS)
# Kinds that none of the four is: tied, scaled, capped, with heads that are wider than their share, or all of one group.
OTHERS = {
    "granite": {
        "hidden_size": 4096,
        "intermediate_size": 12800,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "tie_word_embeddings": True,
        "logits_scaling": 16.0,
    },
    "cohere": {"num_key_value_heads": 8, "logit_scale": 0.0625, "use_qk_norm": True},
    "gemma2": {"final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0},
    "gemma3_text": {},
    "qwen3": {"layer_types": ["full_attention"] * 32},
    "llama": {"num_key_value_heads": 1},
}


def settings(name: Any) -> Any:
    read: Any = OmegaConf.to_container(OmegaConf.load(CONF / "model" / f"{name}.yaml"))
    return read[name]


@pytest.fixture(params=OF_THE_PAPER + sorted(OTHERS))
def kind(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Model type and architecture."""
    if request.param in OTHERS:
        return request.param, OTHERS[request.param]
    found = settings(request.param)
    return found["location"], found["architecture"]


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_full_size_has_the_parameters_of_the_checkpoint(name: str) -> None:
    with torch.device("meta"):
        model, _ = random_model(name, ModelConfig(**settings(name)))
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_full_size_takes_its_other_facts_from_the_file(name: str) -> None:
    """What no shape shows: rotary embeddings, norms, ties, windows."""
    found = settings(name)
    shape = AutoConfig.for_model(found["location"], **deepcopy(found["architecture"]))
    rope, wanted = shape.rope_parameters, found["architecture"].get("rope_scaling", {"rope_type": "default"})
    assert rope == wanted | {"rope_theta": found["architecture"]["rope_theta"]}
    assert shape.rms_norm_eps == found["architecture"]["rms_norm_eps"]
    assert shape.max_position_embeddings == found["architecture"]["max_position_embeddings"]
    assert not shape.tie_word_embeddings
    assert getattr(shape, "sliding_window", None) is None


def test_settings_are_left_as_they_are() -> None:
    """Their hash names the model, and transformers writes into nested ones."""
    name = "llama31_8b_random"
    found, before = settings(name), settings(name)
    with torch.device("meta"):
        random_model(name, ModelConfig(**found))
    toy(found["location"], found["architecture"])
    assert found == before


def test_a_toy_is_small_and_is_built(kind: tuple[Any, Any]) -> None:
    config = ModelConfig(source="random", location=kind[0], dtype="float32", architecture=toy(*kind))
    model, _ = random_model("toy", config)
    assert sum(parameter.numel() for parameter in model.parameters()) < 2_000_000
    ids = torch.arange(12)[None]
    assert model(input_ids=ids).logits.shape == (1, 12, 320)


def test_a_toy_is_of_the_same_kind(kind: tuple[Any, Any]) -> None:
    location, architecture = kind
    full, small = (AutoConfig.for_model(location, **deepcopy(sizes)) for sizes in (architecture, toy(*kind)))

    def ratios(shape: Any) -> tuple[Any, Any]:
        heads = shape.num_attention_heads
        width = getattr(shape, "head_dim", None) or shape.hidden_size // heads
        return heads / shape.num_key_value_heads, shape.hidden_size / (heads * width)

    assert ratios(small) == ratios(full)
    assert small.intermediate_size / small.hidden_size == pytest.approx(
        full.intermediate_size / full.hidden_size, abs=1 / small.hidden_size
    )
    sizes = {
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "initializer_range",
        "layer_types",
    }
    kept = {key: value for key, value in full.to_dict().items() if key not in sizes}
    assert {key: value for key, value in small.to_dict().items() if key not in sizes} == kept
    assert small.layer_types == full.layer_types[:2] if getattr(full, "layer_types", None) else True


def test_logits_of_a_toy_spread_as_those_of_the_full_size() -> None:
    """Those of a state of unit variance are normal with deviation initializer_range · √width."""
    found = settings("llama31_8b_random")
    small = toy(found["location"], found["architecture"])
    model, _ = random_model("toy", ModelConfig(source="random", location="llama", dtype="float32", architecture=small))
    logits = model(input_ids=torch.arange(250)[None]).logits
    assert logits.std().item() == pytest.approx(0.02 * 4096**0.5, rel=0.1)


def test_a_toy_is_asked_for_by_one_setting() -> None:
    found = settings("llama31_8b_random")
    full = find_model("m", ModelConfig(**found))
    small = find_model("m", ModelConfig(**(found | {"toy": True})))
    assert small.fingerprint != full.fingerprint
    lm = load_model(small)
    assert lm.model.config.hidden_size == toy(found["location"], found["architecture"])["hidden_size"]
    assert lm.head.weight.shape == (320, 64)
    with pytest.raises(UserError, match=r"arguments of the gpt2 configuration.*num_key_value_heads"):
        load_model(find_model("m", ModelConfig(source="random", location="gpt2", toy=True)))


def test_what_is_already_tiny_does_not_grow() -> None:
    tiny = settings("tiny_random")
    small = toy(tiny["location"], tiny["architecture"])
    assert all(small[key] <= tiny["architecture"][key] for key in tiny["architecture"] if key != "initializer_range")


def test_an_architecture_that_does_not_fit_its_type_is_refused() -> None:
    with pytest.raises(StrictDataclassError, match="hidden size"):
        toy("llama", {"hidden_size": 30, "num_attention_heads": 4})
    with pytest.raises(AttributeError, match="num_key_value_heads"):
        toy("gpt2", {})
