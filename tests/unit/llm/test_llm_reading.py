"""A trace read in chunks, against one plain pass of the whole model that keeps everything."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from one_trace import read_context, read_trace
from torch import Tensor, nn

from ccps.core.errors import UserError
from ccps.llm import Context, LanguageModel, follow
from ccps.llm.reading import read_start

PROMPT = [5, 6, 7, 8, 9, 60, 61]
TOKENS = [70, 71, 72, 5, 6, 100, 101, 102, 103, 258, 0]
STATES = ("pre_norm", "post_norm", "final")
ALL: Any = (*STATES, "context")
SIZES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "mistral": {"sliding_window": 32},
    "gemma2": {"sliding_window": 32, "final_logit_softcapping": 10.0, "head_dim": 8},
    "cohere": {"logit_scale": 0.25},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
    "gpt_neox": {},
}


class Plain:
    """What the model says of everything at once."""

    def __init__(self, lm: LanguageModel, last_layer: nn.Module) -> None:
        caught: list[Tensor] = []
        handle = last_layer.register_forward_hook(
            lambda _, given, result: caught.append(result[0] if isinstance(result, tuple) else result)
        )
        with torch.inference_mode():
            output = lm.model(input_ids=torch.tensor([[*PROMPT, *TOKENS]]), output_hidden_states=True)
        handle.remove()
        self.pre_norm = caught[0][0] if caught[0].dim() == 3 else caught[0]
        self.post_norm = output.hidden_states[-1][0]
        self.final = self.post_norm[len(PROMPT) - 1 : -1]
        self.logs = output.logits[0, len(PROMPT) - 1 : -1].log_softmax(dim=-1)


def last_layer(lm: LanguageModel) -> nn.Module:
    decoder = lm.model.get_decoder()
    return next(module for module in decoder.children() if isinstance(module, nn.ModuleList) and len(module) == 2)[-1]


def close(got: Any, wanted: Tensor) -> None:
    got = got if isinstance(got, Tensor) else torch.from_numpy(got).float()
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", SIZES)
@pytest.mark.parametrize("chunk", [1, 4, 7, 1000])
def test_it_is_what_one_pass_says(tiny_model: Callable[..., LanguageModel], architecture: str, chunk: int) -> None:
    lm = tiny_model(architecture, **SIZES[architecture])
    plain = Plain(lm, last_layer(lm))
    got = read_trace(lm, PROMPT, TOKENS, k=5, keep=ALL, max_batch_tokens=chunk)
    close(got.top_log_probs, plain.logs.topk(5).values)
    close(got.log_probs, plain.logs[range(len(TOKENS)), TOKENS])
    close(got.pre_norm, plain.pre_norm)
    close(got.post_norm, plain.post_norm)
    close(got.final, plain.final)
    assert not torch.allclose(plain.pre_norm, plain.post_norm)


@pytest.mark.parametrize("architecture", SIZES)
@pytest.mark.parametrize("known", [1, 4, 6])
@pytest.mark.parametrize("chunk", [3, 1000])
def test_what_prompts_begin_with_may_be_read_before(
    tiny_model: Callable[..., LanguageModel], architecture: str, known: int, chunk: int
) -> None:
    lm = tiny_model(architecture, **SIZES[architecture])
    start = read_start(lm, PROMPT[:known], keep=ALL, max_batch_tokens=chunk)
    plain = Plain(lm, last_layer(lm))
    for _ in range(2):  # what was read before stays as it is
        got = read_trace(lm, PROMPT, TOKENS, k=5, keep=ALL, max_batch_tokens=chunk, start=start)
        close(got.log_probs, plain.logs[range(len(TOKENS)), TOKENS])
        close(got.pre_norm, plain.pre_norm)
        close(got.post_norm, plain.post_norm)
        close(got.final, plain.final)
    wanted = read_context(lm, PROMPT, TOKENS, k=5, keep=["context"])
    begun = read_context(lm, PROMPT, TOKENS, k=5, keep=ALL, max_batch_tokens=chunk, start=start)
    assert wanted is not None
    assert begun is not None
    close(follow(lm, begun, torch.tensor([[0, 70]])).final, follow(lm, wanted, torch.tensor([[0, 70]])).final)
    bare = read_trace(lm, PROMPT, TOKENS, k=5, start=read_start(lm, PROMPT[:known]))
    close(bare.log_probs, plain.logs[range(len(TOKENS)), TOKENS])
    assert bare.pre_norm is None


@pytest.mark.parametrize("prompt", [PROMPT[:3], [5, 6, 7, 99, 60]])
def test_a_prompt_that_does_not_begin_so_is_refused(
    tiny_model: Callable[..., LanguageModel], prompt: list[int]
) -> None:
    lm = tiny_model("llama")
    with pytest.raises(ValueError, match="to begin with the 4 tokens that have been read"):
        read_trace(lm, prompt, TOKENS, k=5, start=read_start(lm, PROMPT[:4]))


def test_only_what_is_asked_for_is_kept(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    whole = read_trace(lm, PROMPT, TOKENS, k=5, keep=ALL)
    for name in ALL:
        one = read_trace(lm, PROMPT, TOKENS, k=3, keep=[name])
        assert {other for other in STATES if getattr(one, other) is not None} == {name} - {"context"}
        assert (read_context(lm, PROMPT, TOKENS, k=3, keep=[name]) is not None) == (name == "context")
        if name in STATES:
            torch.testing.assert_close(getattr(one, name), getattr(whole, name))
        close(one.top_log_probs, torch.from_numpy(whole.top_log_probs[:, :3]).float())
    bare = read_trace(lm, PROMPT, TOKENS, k=5)
    assert [getattr(bare, name) for name in STATES] == [None] * 3
    assert read_context(lm, PROMPT, TOKENS, k=5) is None
    close(bare.log_probs, torch.from_numpy(whole.log_probs).float())


def test_states_that_are_kept_share_no_memory(tiny_model: Callable[..., LanguageModel]) -> None:
    got = read_trace(tiny_model("llama"), PROMPT, TOKENS, k=5, keep=ALL)
    kept = [got.pre_norm, got.post_norm, got.final]
    assert len({one.untyped_storage().data_ptr() for one in kept if one is not None}) == 3


def test_many_tokens_are_more_than_one_block(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    tokens = torch.randint(3, 259, (600,), generator=torch.Generator().manual_seed(0)).tolist()
    with torch.inference_mode():
        logs = lm.model(torch.tensor([[*PROMPT, *tokens]])).logits[0, len(PROMPT) - 1 : -1].log_softmax(dim=-1)
    got = read_trace(lm, PROMPT, tokens, k=2, max_batch_tokens=90)
    close(got.top_log_probs, logs.topk(2).values)
    close(got.log_probs, logs[range(600), tokens])


def goes_on(lm: LanguageModel, context: Context | None, read: list[int]) -> None:
    """Reading the last token and more after a context gives what one pass over all of it does."""
    assert context is not None
    more = [read[-1], 40, 41, 42]
    with torch.inference_mode():
        wanted = lm.model.get_decoder()(torch.tensor([[*read, *more[1:]]])).last_hidden_state[0, -4:]
    close(follow(lm, context, torch.tensor([more])).final[0], wanted)


@pytest.mark.parametrize("architecture", ["llama", "mistral", "gemma2"])
@pytest.mark.parametrize("keep", [["context"], ["context", "pre_norm"]])
@pytest.mark.parametrize("tokens", [TOKENS, TOKENS[:1], []])
def test_it_can_be_read_on(
    tiny_model: Callable[..., LanguageModel], architecture: str, keep: list[Any], tokens: list[int]
) -> None:
    lm = tiny_model(architecture, **SIZES[architecture])
    goes_on(lm, read_context(lm, PROMPT, tokens, k=5, keep=keep, max_batch_tokens=4), [*PROMPT, *tokens])


@pytest.mark.parametrize("prompt", [PROMPT, PROMPT[:1]])
def test_a_trace_of_nothing_has_no_log_probs(tiny_model: Callable[..., LanguageModel], prompt: list[int]) -> None:
    got = read_trace(tiny_model("llama"), prompt, [], k=5, keep=["pre_norm", "final"])
    assert got.top_log_probs.shape == (0, 5)
    assert got.log_probs.shape == (0,)
    assert got.pre_norm is not None
    assert got.final is not None
    assert (got.pre_norm.shape, got.final.shape) == ((len(prompt), 32), (0, 32))


def test_a_window_is_a_window(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", max_position_embeddings=len(PROMPT) + len(TOKENS))
    read_trace(lm, PROMPT, TOKENS, k=5, keep=["pre_norm"])
    with pytest.raises(UserError, match="at most 18 tokens, but got 19"):
        read_trace(lm, PROMPT, [*TOKENS, 5], k=5)
    with pytest.raises(UserError, match="at most 18 tokens, but got 19"):
        read_trace(lm, PROMPT, TOKENS, k=5, keep=["context"])


def test_ids_of_another_model_are_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    with pytest.raises(UserError, match="below 259, as many as it has, but got 259"):
        read_trace(tiny_model("llama"), PROMPT, [259], k=5)


def test_nothing_to_start_from_is_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    with pytest.raises(ValueError, match="`prompt` to hold at least one token"):
        read_trace(tiny_model("llama"), [], TOKENS, k=5)


@pytest.mark.parametrize("k", [0, 260])
def test_so_many_alternatives_there_are_not(tiny_model: Callable[..., LanguageModel], k: int) -> None:
    with pytest.raises(ValueError, match="`k` to be between 1 and the 259 tokens"):
        read_trace(tiny_model("llama"), PROMPT, TOKENS, k=k)


def changed(lm: LanguageModel, norm: nn.Module) -> LanguageModel:
    model = copy.deepcopy(lm.model)
    model.model.norm = norm
    return replace(lm, model=model)


def test_a_decoder_that_ends_with_no_norm_is_refused_if_its_input_is_wanted(
    tiny_model: Callable[..., LanguageModel],
) -> None:
    lm = changed(tiny_model("llama"), nn.Linear(32, 32))
    read_trace(lm, PROMPT, TOKENS, k=5, keep=["final"])
    with pytest.raises(UserError, match=r"decoder of model `tiny-llama`.*LlamaModel.*rcc"):
        read_trace(lm, PROMPT, TOKENS, k=5, keep=["pre_norm"])


def test_states_that_are_not_finite_are_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    class Broken(nn.Module):
        def forward(self, states: Tensor) -> Tensor:
            return states * torch.inf

    with pytest.raises(UserError, match="NaN or infinite states"):
        read_trace(changed(tiny_model("llama"), Broken()), PROMPT, TOKENS, k=5)
