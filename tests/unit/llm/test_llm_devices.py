"""Models spread over memory and disk: the same answers and states as in one piece."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ccps.core.errors import UserError
from ccps.llm import (
    LanguageModel,
    ModelConfig,
    Passage,
    compute_prefix,
    final_states,
    find_model,
    follow,
    generate,
    load_model,
    read,
)
from ccps.llm.devices import input_device, places
from ccps.llm.sample import sample

SYSTEM = list(range(10, 30))
PASSAGES = [Passage([*SYSTEM, 40, 41, 42], [50, 51, 52]), Passage([*SYSTEM, 60], [61]), Passage([*SYSTEM, 70, 71])]
PROMPTS = [passage.prompt for passage in PASSAGES]
PARTS = ("model.embed_tokens", "model.layers.0", "model.layers.1", "model.norm", "model.rotary_emb", "lm_head")


def spread(*on_disk: Any) -> dict[Any, str]:
    return {part: "disk" if part in on_disk else "cpu" for part in PARTS}


PLACEMENTS: dict[str, dict[str, Any]] = {
    "auto, with room for all": {"device_map": "auto"},
    "auto, with room for little": {"device_map": "auto", "max_memory": {"cpu": "100KB"}},
    "a layer on disk": {"device_map": spread("model.layers.0")},
    "embeddings and head on disk": {"device_map": spread("model.embed_tokens", "lm_head")},
    "everything on disk": {"device_map": {"": "disk"}},
    "everything on the CPU": {"device_map": {"": "cpu"}},
}


@pytest.fixture(scope="module", params=["untied", "tied"])
def saved(
    request: pytest.FixtureRequest, tiny_model: Callable[..., LanguageModel], tmp_path_factory: pytest.TempPathFactory
) -> ModelConfig:
    """A checkpoint in float16, to be read as float32: what goes to disk is not needed as it stands there."""
    lm = tiny_model("llama", dtype="float16", tie_word_embeddings=request.param == "tied")
    folder = tmp_path_factory.mktemp(request.param)
    lm.model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return ModelConfig(source="folder", location=str(folder), dtype="float32")


@pytest.fixture(scope="module")
def whole(saved: ModelConfig) -> Any:
    return load_model(find_model("whole", saved))


@pytest.fixture(params=PLACEMENTS)
def lm(request: pytest.FixtureRequest, saved: ModelConfig, tmp_path: Path) -> Any:
    config = replace(saved, **PLACEMENTS[request.param], offload_folder=str(tmp_path / "offload"))
    return load_model(find_model("spread", config))


def test_states_and_head_are_those_of_the_whole_model(lm: Any, whole: Any) -> None:
    assert torch.equal(lm.head.weight, whole.head.weight)
    prefixes: tuple[Callable[[Any], Any], ...] = (lambda _: None, lambda model: compute_prefix(model, SYSTEM))
    for prefix in prefixes:
        theirs = final_states(whole, PASSAGES, prefix(whole))
        for states, expected in zip(final_states(lm, PASSAGES, prefix(lm)), theirs, strict=True):
            assert torch.equal(states, expected)
            assert torch.equal(lm.own_logits(states), whole.own_logits(expected))


def test_answers_are_those_of_the_whole_model(lm: Any, whole: Any) -> None:
    for ours, theirs in zip(generate(lm, PROMPTS, 6), generate(whole, PROMPTS, 6), strict=True):
        assert ours.tokens == theirs.tokens
        assert torch.equal(ours.states, theirs.states)
    numbers = np.random.default_rng(0).random((3, 2, 5))
    assert sample(lm, PROMPTS, numbers, 1.0, 0.9) == sample(whole, PROMPTS, numbers, 1.0, 0.9)


def test_what_is_read_on_is_that_of_the_whole_model(lm: Any, whole: Any) -> None:
    tokens = torch.tensor([[5, 6]] * 3)
    ours, theirs = (follow(one, read(one, PASSAGES, keep_context=True).context, tokens, (0, 1)) for one in (lm, whole))  # type: ignore[arg-type]
    assert torch.equal(ours.final, theirs.final)
    assert torch.equal(ours.layers, theirs.layers)


def test_inputs_go_where_the_embeddings_are_computed(saved: ModelConfig) -> None:
    lm = load_model(find_model("spread", replace(saved, device_map={"": "disk"})))
    assert lm.model.device == torch.device("meta")
    assert lm.device == input_device(lm.model) == torch.device("cpu")
    assert places(lm.model) == {"disk"}


def test_little_memory_sends_layers_to_disk(saved: ModelConfig) -> None:
    lm = load_model(find_model("spread", replace(saved, device_map="auto", max_memory={"cpu": "100KB"})))
    assert places(lm.model) == {"cpu", "disk"}


def test_where_a_model_is_put_is_no_part_of_what_it_is(saved: ModelConfig) -> None:
    prints = {find_model("m", replace(saved, **options)).fingerprint for options in PLACEMENTS.values()}
    assert prints == {find_model("m", saved).fingerprint}


REFUSED = [
    ({"device_map": "everywhere"}, r"`model\.m\.device_map` to be one of auto, balanced, sequential, or a mapping"),
    ({"device_map": {}}, r"`model\.m\.device_map` to be one of"),
    ({"device_map": 3}, r"`model\.m\.device_map` to be one of"),
    ({"device_map": {"model": "cuda:99", "lm_head": "cpu"}}, r"of model to be a GPU of this.*but got .cuda:99"),
    ({"device_map": {"": 99}}, r"of the model to be a GPU of this machine.*but got 99"),
    ({"device_map": {"model": "cloud"}}, "cpu or disk, but got 'cloud'"),
    ({"max_memory": {"cpu": "1GB"}}, r"`model\.m\.max_memory` to be empty without `device_map`"),
    ({"offload_folder": "x"}, r"`model\.m\.offload_folder` to be empty without `device_map`"),
    ({"device_map": "auto", "max_memory": {99: "1GB"}}, r"`model\.m\.max_memory\.99` to be for a GPU of this machine"),
    ({"device_map": "auto", "max_memory": {"disk": "1GB"}}, r"`model\.m\.max_memory\.disk` to be for a GPU"),
    (
        {"device_map": "auto", "max_memory": {"cpu": "much"}},
        r"`model\.m\.max_memory\.cpu` to be a size, but got 'much'",
    ),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_looked_for(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_model("m", ModelConfig(source="folder", location="nowhere", **options))


def test_random_weights_are_not_spread(tiny_config: Callable[..., ModelConfig]) -> None:
    with pytest.raises(UserError, match=r"`model\.m\.device_map` to be null for random weights"):
        find_model("m", replace(tiny_config("llama"), device_map="auto"))


def test_all_faults_are_told_at_once() -> None:
    options: dict[str, Any] = {"device_map": "auto", "max_memory": {99: "much"}, "quantisation": "int3"}
    with pytest.raises(UserError) as raised:
        find_model("m", ModelConfig(source="folder", location="nowhere", **options))
    assert len(str(raised.value).splitlines()) == 3


@pytest.mark.skipif(torch.cuda.device_count() < 1, reason="needs a GPU")
@pytest.mark.parametrize("device", ["cpu", "disk"])
def test_layers_outside_the_gpu_give_the_states_of_the_gpu(saved: ModelConfig, device: str) -> None:
    mapping = {part: device if part in ("model.layers.0", "lm_head") else 0 for part in PARTS}
    ours = load_model(find_model("spread", replace(saved, device_map=mapping)))
    theirs = load_model(find_model("whole", saved), "cuda:0")
    assert ours.device == torch.device("cuda:0")
    for states, expected in zip(final_states(ours, PASSAGES), final_states(theirs, PASSAGES), strict=True):
        torch.testing.assert_close(states, expected)
    assert [one.tokens for one in generate(ours, PROMPTS, 6)] == [one.tokens for one in generate(theirs, PROMPTS, 6)]
