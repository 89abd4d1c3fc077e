"""Generation against the plainest loop there is: the whole prompt again for every token, one prompt at a time."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import GenerationConfig

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, Passage, compute_prefix, final_states, generate

PROMPTS = [[5, 6, 7, 8], [5, 6, 9], [5, 6, 7, 8, 9, 10, 11, 12, 13], [5, 6, 20, 21, 22]]


def plainly(lm: LanguageModel, prompt: list[int], limit: int) -> tuple[list[int], Tensor]:
    written: list[int] = []
    states = []
    with torch.inference_mode():
        for _ in range(limit):
            ids = torch.tensor([[*prompt, *written]])
            state = lm.model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[0, -1]
            token = int(lm.own_logits(state[None]).argmax())
            if token in lm.end_tokens:
                break
            written.append(token)
            states.append(state)
    return written, torch.stack(states) if states else torch.empty(0, 32)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2"])
@pytest.mark.parametrize("shared", [0, 2])
def test_tokens_and_states_are_those_of_a_plain_loop(
    architecture: str, shared: int, tiny_model: Callable[..., LanguageModel]
) -> None:
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4} if architecture == "gpt2" else {}
    lm = tiny_model(architecture, **sizes)
    for prompt, got in zip(PROMPTS, generate(lm, PROMPTS, 12, compute_prefix(lm, PROMPTS[0][:shared])), strict=True):
        tokens, states = plainly(lm, prompt, 12)
        assert got.tokens == tokens
        torch.testing.assert_close(got.states, states, rtol=1e-4, atol=1e-4)


def test_states_are_those_of_a_teacher_forced_pass(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    written = generate(lm, PROMPTS, 10)
    read = final_states(lm, [Passage(prompt, got.tokens) for prompt, got in zip(PROMPTS, written, strict=True)])
    for got, states in zip(written, read, strict=True):
        assert got.tokens
        torch.testing.assert_close(got.states, states, rtol=1e-4, atol=1e-4)


def test_a_turn_ends_with_the_first_end_token(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    endless = generate(replace(lm, end_tokens=()), PROMPTS, 12)
    assert [len(got.tokens) for got in endless] == [12] * 4
    assert not any(got.ended for got in endless)
    # Whatever the first answer's fifth token is: make it end the turn.
    end = endless[0].tokens[4]
    for before, got in zip(endless, generate(replace(lm, end_tokens=(end, 3)), PROMPTS, 12), strict=True):
        places = [place for place, token in enumerate(before.tokens) if token in (end, 3)]
        assert got.tokens == before.tokens[: places[0] if places else None]
        assert got.ended == bool(places)
        assert len(got.states) == len(got.tokens)


def test_an_answer_may_be_empty(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    first = generate(replace(lm, end_tokens=()), PROMPTS[:1], 1)[0].tokens[0]
    got = generate(replace(lm, end_tokens=(first,)), PROMPTS[:1], 5)[0]
    assert got.tokens == []
    assert got.ended
    assert got.states.shape == (0, 32)


def test_the_limit_cuts(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = replace(tiny_model("llama"), end_tokens=())
    long = generate(lm, PROMPTS, 9)
    assert [got.tokens for got in generate(lm, PROMPTS, 3)] == [got.tokens[:3] for got in long]


def test_settings_of_the_checkpoint_do_not_creep_in(tiny_model: Callable[..., LanguageModel]) -> None:
    """A repetition penalty forbids what a random model does most: say the same token again."""
    lm = replace(tiny_model("llama"), end_tokens=())
    plain = [got.tokens for got in generate(lm, PROMPTS, 12)]
    before = lm.model.generation_config
    try:
        lm.model.generation_config = GenerationConfig(repetition_penalty=100.0)
        penalised = lm.model.generate(torch.tensor([PROMPTS[0]]), max_new_tokens=12)[0, 4:].tolist()
    finally:
        lm.model.generation_config = before
    assert penalised != plain[0]
    assert before.repetition_penalty is None


def test_broken_states_are_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", seed=7)
    norm = lm.model.model.norm.weight
    with torch.no_grad():
        norm[0] = float("nan")
    try:
        with pytest.raises(UserError, match="NaN or infinite states"):
            generate(lm, PROMPTS, 3)
    finally:
        with torch.no_grad():
            norm[0] = 1.0
