"""The adapter against a module with vLLM's call signatures that computes the same model, one token at a time."""

import os
import sys
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.engines import Drawing, VllmEngine
from ccps.llm import LanguageModel, generate

LIMIT = 9


@pytest.fixture
def engine(installed: Any, checkpoint: LanguageModel) -> VllmEngine:
    return VllmEngine(checkpoint, 0.3)


def fake(engine: VllmEngine) -> Any:
    return sys.modules["vllm"].LLM.made[-1]


def test_it_loads_the_checkpoint_of_the_model(engine: VllmEngine, checkpoint: LanguageModel) -> None:
    assert fake(engine).arguments == {
        "model": str(checkpoint.files.folder),
        "dtype": "float32",
        "seed": 0,
        "gpu_memory_utilization": 0.3,
        "max_model_len": -1,
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "logprobs_mode": "raw_logprobs",
    }
    assert os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"


def test_greedy_answers_are_those_of_the_model(
    engine: VllmEngine, checkpoint: LanguageModel, asked: list[list[int]]
) -> None:
    found = engine.write(asked, LIMIT)
    for one, own in zip(found, generate(checkpoint, asked, LIMIT), strict=True):
        assert (one.tokens, one.ended) == (own.tokens, own.ended)
        assert len(one.log_probs) == len(one.tokens) + one.ended
    assert all(params.temperature == 0 and params.logprobs == 0 for params in fake(engine).asked)


def test_only_the_end_tokens_of_the_model_end_a_turn(
    engine: VllmEngine, asked: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = engine.write(asked, LIMIT)[1]
    place = next(i for i, token in enumerate(whole.tokens) if i and token not in whole.tokens[:i])
    # The tokenizer's own end of sequence is passed over; the token named as an end is not part of the answer.
    monkeypatch.setattr(fake(engine), "eos", whole.tokens[0])
    monkeypatch.setattr(engine, "_end_tokens", (whole.tokens[place],))
    cut = engine.write(asked[1:2], LIMIT)[0]
    assert cut.tokens == whole.tokens[:place]
    assert cut.ended
    assert cut.log_probs == pytest.approx(whole.log_probs[: place + 1])


def test_an_end_token_at_the_limit_ends_the_turn_too(
    engine: VllmEngine, asked: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = engine.write(asked[:1], LIMIT)[0]
    monkeypatch.setattr(engine, "_end_tokens", (whole.tokens[0],))
    assert engine.write(asked[:1], 1)[0] == ([], whole.log_probs[:1], True)


def test_draws_have_seeds_of_their_own(engine: VllmEngine, asked: list[list[int]]) -> None:
    found = engine.write([asked[0]] * 3, LIMIT, Drawing(1.3, 0.9, [5, 2**53 - 1, 5]))
    assert found[0] == found[2] != found[1]
    assert [(p.temperature, p.top_p, p.seed) for p in fake(engine).asked] == [
        (1.3, 0.9, 5),
        (1.3, 0.9, 2**53 - 1),
        (1.3, 0.9, 5),
    ]


def test_what_vllm_does_not_finish_is_refused(
    engine: VllmEngine, asked: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake(engine), "room", len(asked[0]) + 2)
    with pytest.raises(UserError, match="stopped after 2 of 9 tokens, and called that 'length'"):
        engine.write(asked[:1], LIMIT)
    with pytest.raises(UserError, match=r"longer than the maximum model length.*gpu_memory_utilization"):
        engine.write(asked[1:2], LIMIT)


@pytest.mark.parametrize("error", [ValueError("Free memory on device is less than desired"), ImportError("libcudart")])
def test_a_model_that_vllm_cannot_load_is_refused(
    installed: Any, checkpoint: LanguageModel, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(sys.modules["vllm"].LLM, "fails", error)
    with pytest.raises(UserError, match=rf"^vLLM cannot load model `tiny` from .*{error}.*engine=transformers"):
        VllmEngine(checkpoint, 0.3)


def test_random_weights_are_refused(installed: Any, tiny_model: Any) -> None:
    with pytest.raises(UserError, match=r"model `tiny-llama` to be a checkpoint, but got random weights"):
        VllmEngine(tiny_model("llama"), 0.3)


def test_closing_frees_the_memory(engine: VllmEngine, installed: Any) -> None:
    engine.close()
    assert installed.cleaned == 1
    assert not hasattr(engine, "_llm")
