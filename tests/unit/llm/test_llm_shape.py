"""Sizes of models from their configurations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ccps.llm import LanguageModel, ModelConfig, find_model
from ccps.llm.load import find_stored_model
from ccps.llm.shape import config_of, known_window, read_config, shape_of
from experiments.configs import CONF
from experiments.planning import plan_config

PARAMETERS = {  # as the heads of the files have them
    "llama31_8b": 8_030_261_248,
    "mistral_small_24b": 23_572_403_200,
}


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_models_have_the_parameters_that_their_files_name(name: str) -> None:
    values: Any = OmegaConf.to_container(OmegaConf.load(CONF / "model" / f"{name}_random.yaml"))
    shape = shape_of(config_of(ModelConfig(**values[f"{name}_random"])), "bfloat16")
    assert shape.parameters == PARAMETERS[name]
    # Neither tied nor biased: what is not dense is two embeddings and norms of a width each.
    norms = (2 * shape.layers + 1) * shape.width
    assert shape.dense == shape.parameters - 2 * shape.vocabulary * shape.width - norms


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gemma2", "gpt2"])
def test_the_sizes_are_those_of_the_model_itself(architecture: str, tiny_config: Callable[..., ModelConfig]) -> None:
    changes = {"n_embd": 32, "n_layer": 2, "n_head": 4} if architecture == "gpt2" else {}
    files = find_model("tiny", tiny_config(architecture, **changes))
    shape = shape_of(read_config(files), "float32")
    assert (shape.layers, shape.width, shape.heads, shape.vocabulary, shape.item) == (2, 32, 4, 259, 4)
    assert shape.parameters > shape.dense > 0


def test_a_tied_embedding_counts_once(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", tie_word_embeddings=True)
    assert shape_of(lm.model.config, "float32").parameters == lm.model.num_parameters()


def test_a_model_that_lies_here_is_found_as_a_run_finds_it(
    tiny_model: Callable[..., LanguageModel], tmp_path: Path
) -> None:
    lm = tiny_model("llama")
    lm.model.save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    config = ModelConfig(source="folder", location=str(tmp_path), dtype="float32")
    assert find_stored_model("own", config) == find_model("own", config)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(source="folder", location="nowhere"),
        ModelConfig(source="gguf", location="nowhere.gguf"),
        ModelConfig(source="hub", location="no-such-owner/no-such-model"),
    ],
    ids=lambda config: config.source,
)
def test_nothing_is_fetched_for_one_that_does_not(config: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find_stored_model("absent", config) is None


def test_an_asset_is_not_fetched_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCPS_CACHE", str(tmp_path))
    monkeypatch.setattr("ccps.assets.catalogue.fetch", None)
    assert find_stored_model("small", ModelConfig(source="asset", location="smollm2-135m-instruct")) is None


@pytest.mark.parametrize(
    ("name", "millions"),
    # As the names and cards of these checkpoints have them; an embedding that is the head too counts once.
    [("smollm2_135m", 134.5), ("qwen25_coder_1b5", 1543.7), ("qwen3_8b", 8190.7), ("qwq_32b", 32_763.9)],
)
def test_sizes_that_are_written_down_give_the_parameters_of_the_cards(name: str, millions: float) -> None:
    shape = shape_of(config_of(plan_config().shapes[name]), "bfloat16")
    assert shape.parameters / 1e6 == pytest.approx(millions, rel=1e-3)


@pytest.mark.parametrize(
    ("written", "window"),
    [
        ({"model_type": "llama", "max_position_embeddings": 77}, 77),
        ({"model_type": "gpt2", "n_positions": 78}, 78),
        ({"model_type": "gemma2", "max_position_embeddings": 79, "sliding_window": 16}, 16),
        ({"model_type": "mistral", "max_position_embeddings": 79, "sliding_window": None}, 79),
        ({"model_type": "bloom"}, 1 << 30),  # any distance
    ],
)
def test_the_window_is_known_before_a_model_is_loaded(tmp_path: Path, written: dict[str, Any], window: int) -> None:
    (tmp_path / "config.json").write_text(json.dumps(written))
    assert known_window(ModelConfig("folder", str(tmp_path))) == window


def test_the_window_is_that_of_the_model_itself(
    tiny_config: Callable[..., ModelConfig], tiny_model: Callable[..., LanguageModel]
) -> None:
    sizes = {"max_position_embeddings": 79, "sliding_window": 16}
    assert known_window(tiny_config("gemma2", **sizes)) == tiny_model("gemma2", **sizes).context_window == 16


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig("folder", "/nowhere"),
        ModelConfig("gguf", "/nowhere/model.gguf"),
        ModelConfig("hub", "nobody/nothing"),
        ModelConfig("random", "no architecture"),
    ],
    ids=str,
)
def test_the_window_of_a_model_that_is_not_here_is_not_known(config: ModelConfig) -> None:
    assert known_window(config) is None


@pytest.mark.parametrize("written", ["", "[]", "{}", '{"model_type": "llama", "num_hidden_layers": 1e30}'])
def test_a_configuration_that_cannot_be_read_is_told_later(tmp_path: Path, written: str) -> None:
    (tmp_path / "config.json").write_text(written)
    assert known_window(ModelConfig("folder", str(tmp_path))) is None
