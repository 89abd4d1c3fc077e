"""What is read after an answer, on tiny random models: against one plain pass over the whole conversation."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch

from ccps.asking.follow_up import QUERY, AfterAnswer, FollowUp, probed_layers, query_ids
from ccps.asking.interview import Answer, Interview, Manner
from ccps.core.errors import UserError
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import LanguageModel, ids_after_answer, prompt_ids

TEXTS = ("Who?", "What is the longest river of the continent?", "Why is that so?", "How many?")
OPEN = [Question(f"q{i}", "s", text, (), ("x",), "test", "s") for i, text in enumerate(TEXTS)]
CHOICE = [replace(question, options=("one", "two", "three"), accepted=("a",)) for question in OPEN]
GIVEN = [replace(q, given_answer=text) for q, text in zip(OPEN, ("Ann", "the Nile", "so", "7"), strict=True)]
ALL: Any = ("layer_states", "pooled_states", "self_evaluation")


def whole(lm: LanguageModel, question: Question, answer: Answer) -> AfterAnswer:
    """The same from `output_hidden_states` and the logits of one pass that sees the whole conversation."""
    messages = chat_messages(question)
    before = [*prompt_ids(lm.tokenizer, messages), *answer.tokens]
    closed = [*before, *ids_after_answer(lm.tokenizer, messages)]
    asked = [*before, *ids_after_answer(lm.tokenizer, messages, [{"role": "user", "content": QUERY}])]
    with torch.inference_mode():
        hidden = lm.model(input_ids=torch.tensor([closed]), output_hidden_states=True).hidden_states
        logits = lm.model(input_ids=torch.tensor([asked])).logits[0, -1]
    layers = len(hidden) - 1
    letters = [lm.tokenizer(letter)["input_ids"][0] for letter in "ab"]
    wanted = (layers // 2, int(0.75 * layers), layers - 1)
    own = hidden[layers // 2][0, len(before) - len(answer.tokens) : len(before)]
    return AfterAnswer(torch.stack([hidden[layer][0, -1] for layer in wanted]), own.mean(dim=0), logits[letters])


@pytest.mark.parametrize("model", ["llama", "qwen2"])
@pytest.mark.parametrize("max_batch_tokens", [1, 500, 10_000])
@pytest.mark.parametrize("questions", [OPEN, CHOICE, GIVEN], ids=["open", "choice", "given"])
def test_what_is_read_on_is_what_one_pass_over_everything_reads(
    tiny_model: Callable[..., LanguageModel], model: str, max_batch_tokens: int, questions: list[Question]
) -> None:
    lm = tiny_model(model, num_hidden_layers=4)
    manner = Manner(max_new_tokens=7, max_batch_tokens=max_batch_tokens)
    for question, answer in zip(questions, Interview(lm, questions, manner, ALL).answer_all(), strict=True):
        expected = whole(lm, question, answer)
        torch.testing.assert_close(answer.after.layer_states, expected.layer_states, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(answer.after.pooled_states, expected.pooled_states, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(answer.after.self_evaluation, expected.self_evaluation, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("questions", [OPEN, CHOICE, GIVEN], ids=["open", "choice", "given"])
def test_states_are_pooled_alike_whatever_else_is_collected(
    tiny_model: Callable[..., LanguageModel], questions: list[Question]
) -> None:
    lm, manner = tiny_model("llama", num_hidden_layers=4), Manner(max_new_tokens=7)
    alone = Interview(lm, questions, manner, ("pooled_states",)).answer_all()  # type: ignore[arg-type]
    for answer, other in zip(alone, Interview(lm, questions, manner, ALL).answer_all(), strict=True):
        torch.testing.assert_close(answer.after.pooled_states, other.after.pooled_states, rtol=1e-5, atol=1e-5)
        assert answer.after.layer_states is None


@pytest.mark.parametrize("questions", [OPEN, CHOICE, GIVEN], ids=["open", "choice", "given"])
def test_the_answers_are_the_same_as_without(
    tiny_model: Callable[..., LanguageModel], questions: list[Question]
) -> None:
    lm, manner = tiny_model("llama"), Manner(max_new_tokens=7)
    plain = Interview(lm, questions, manner).answer_all()
    for answer, alone in zip(Interview(lm, questions, manner, ALL).answer_all(), plain, strict=True):
        assert (answer.tokens, answer.text, answer.cost) == (alone.tokens, alone.text, alone.cost)
        torch.testing.assert_close(answer.states, alone.states, rtol=1e-5, atol=1e-5)
        assert alone.after == AfterAnswer()


def test_only_what_is_asked_for_is_read(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    layers = Interview(lm, OPEN, Manner(max_new_tokens=3), ("layer_states",))  # type: ignore[arg-type]
    evaluation = Interview(lm, OPEN, Manner(max_new_tokens=3), ("self_evaluation",))  # type: ignore[arg-type]
    for first, second in zip(layers.answer_all(), evaluation.answer_all(), strict=True):
        assert first.after.self_evaluation is None
        assert first.after.layer_states is not None
        assert second.after.layer_states is None
        assert second.after.self_evaluation is not None
    assert layers.follow_up is not None
    assert evaluation.follow_up is not None
    assert layers.follow_up.tokens == ids_after_answer(lm.tokenizer, chat_messages(OPEN[0]))
    assert evaluation.follow_up.tokens[: len(layers.follow_up.tokens)] == layers.follow_up.tokens
    assert layers.follow_up.tokens_read == len(OPEN) * (1 + len(layers.follow_up.tokens))
    assert layers.follow_up.seconds > 0


def test_nothing_is_read_after_an_answer_without_tokens(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    question = replace(OPEN[0], given_answer=" ")
    other = replace(OPEN[1], given_answer="yes")
    empty, full = Interview(lm, [question, other], Manner(), ALL).answer_all()
    assert empty.after == AfterAnswer()
    assert full.after.self_evaluation is not None
    ended = Interview(replace(lm, end_tokens=tuple(range(len(lm.head.weight)))), OPEN, Manner(), ALL).answer_all()
    assert [(answer.tokens, answer.after) for answer in ended] == [([], AfterAnswer())] * len(OPEN)


def test_the_window_holds_the_query_too(tiny_model: Callable[..., LanguageModel]) -> None:
    plain = tiny_model("llama")
    longest = max(len(prompt) for prompt in Interview(plain, CHOICE, Manner()).prompts)
    lm = tiny_model("llama", max_position_embeddings=longest + 10)
    Interview(lm, CHOICE, Manner()).answer_all()
    with pytest.raises(UserError, match=f"at most {longest + 10} tokens"):
        Interview(lm, CHOICE, Manner(), ALL)


@pytest.mark.parametrize("opened", ["<think>\n", "<think>"])
def test_a_thought_that_the_template_opens_is_closed_before_the_letter_is_read(
    tiny_model: Callable[..., LanguageModel], opened: str
) -> None:
    plain = tiny_model("llama")
    lm = replace(plain, tokenizer=deepcopy(plain.tokenizer))
    lm.tokenizer.chat_template += "{% if add_generation_prompt %}" + opened + "{% endif %}"
    messages = chat_messages(OPEN[0])
    turn = f"<|im_end|>\n<|im_start|>user\n{QUERY}<|im_end|>\n<|im_start|>assistant\n"
    assert lm.tokenizer.decode(query_ids(lm.tokenizer, messages)) == f"{turn}{opened}</think>\n\n"
    assert plain.tokenizer.decode(query_ids(plain.tokenizer, messages)) == turn
    assert FollowUp(lm, messages, ALL).tokens == query_ids(lm.tokenizer, messages)
    assert FollowUp(lm, messages, ALL).end == FollowUp(plain, messages, ALL).end

    [answer] = Interview(lm, GIVEN[:1], Manner(), ALL).answer_all()
    closed = lm.tokenizer(f"Ann{turn}{opened}</think>\n\n")["input_ids"]
    with torch.inference_mode():
        logits = lm.model(torch.tensor([[*prompt_ids(lm.tokenizer, messages), *closed]])).logits[0, -1]
    letters = [lm.tokenizer(letter)["input_ids"][0] for letter in "ab"]
    torch.testing.assert_close(answer.after.self_evaluation, logits[letters], rtol=1e-4, atol=1e-4)


def test_a_thought_that_the_template_closes_itself_is_left_alone(tiny_model: Callable[..., LanguageModel]) -> None:
    tokenizer = deepcopy(tiny_model("llama").tokenizer)
    tokenizer.chat_template += "{% if add_generation_prompt %}<think>\n\n</think>\n\n{% endif %}"
    assert tokenizer.decode(query_ids(tokenizer, chat_messages(OPEN[0]))).count("</think>") == 1


@pytest.mark.parametrize(("n", "expected"), [(28, (14, 21, 27)), (30, (15, 22, 29)), (1, (0, 0, 0))])
def test_which_layers_are_probed(n: int, expected: tuple[int, int, int]) -> None:
    assert probed_layers(n) == expected
