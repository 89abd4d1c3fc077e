"""Answers of tiny random models: chosen, generated and read, each against the plain call of `ccps.llm`."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from ccps.asking.interview import Interview, Manner
from ccps.core.errors import UserError
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import LanguageModel, Passage, final_states, generate, prompt_ids

TEXTS = ("Who?", "What is the longest river of the continent?", "Why is that so?", "How many?", "Where to, then?")
OPEN = [Question(f"q{i}", "s", text, (), ("x",), "test", "s") for i, text in enumerate(TEXTS)]
CHOICE = [replace(question, options=("one", "two", "three"), accepted=("a",)) for question in OPEN]


@pytest.fixture
def lm(tiny_model: Callable[..., LanguageModel]) -> LanguageModel:
    return tiny_model("llama")


def prompts_of(lm: LanguageModel, questions: list[Question]) -> list[list[int]]:
    return [prompt_ids(lm.tokenizer, chat_messages(question)) for question in questions]


@pytest.mark.parametrize("max_batch_tokens", [1, 400, 10_000])
def test_open_questions_are_answered_by_generation(lm: LanguageModel, max_batch_tokens: int) -> None:
    manner = Manner(max_new_tokens=7, max_batch_tokens=max_batch_tokens)
    interview = Interview(lm, OPEN, manner)
    assert sorted(index for batch in interview.batches for index in batch) == list(range(len(OPEN)))
    for answer, alone in zip(interview.answer_all(), generate(lm, prompts_of(lm, OPEN), 7), strict=True):
        assert answer.tokens == alone.tokens
        assert answer.text == lm.tokenizer.decode(alone.tokens, skip_special_tokens=True).strip()
        assert answer.is_cut == (not alone.ended)
        torch.testing.assert_close(answer.states, alone.states, rtol=1e-4, atol=1e-4)


def test_multiple_choice_takes_one_token(lm: LanguageModel) -> None:
    letters = [ord(letter) - ord("a") + lm.tokenizer("a")["input_ids"][0] for letter in "abc"]
    for answer, prompt in zip(
        Interview(lm, CHOICE, Manner(choice="letters")).answer_all(), prompts_of(lm, CHOICE), strict=True
    ):
        state = final_states(lm, [Passage(prompt)])[0]
        best = letters[int(lm.own_logits(state)[0, letters].argmax())]
        assert answer.tokens == [best]
        torch.testing.assert_close(answer.states, state, rtol=1e-4, atol=1e-4)


def test_given_answers_are_read_and_nothing_is_generated(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm.model, "generate", lambda *_, **__: pytest.fail("generated"))
    texts = [" Paris", "the river Nile ", "no", "7", "north\n"]
    given = [replace(question, given_answer=text) for question, text in zip(OPEN, texts, strict=True)]
    for question, answer, prompt in zip(
        given, Interview(lm, given, Manner()).answer_all(), prompts_of(lm, OPEN), strict=True
    ):
        text = (question.given_answer or "").strip()
        assert answer.text == text
        assert answer.tokens == lm.tokenizer(text, add_special_tokens=False)["input_ids"]
        expected = final_states(lm, [Passage(prompt, answer.tokens)])[0]
        torch.testing.assert_close(answer.states, expected, rtol=1e-4, atol=1e-4)


def test_questions_with_and_without_answers_go_together(lm: LanguageModel) -> None:
    mixed = [OPEN[0], CHOICE[1], replace(OPEN[2], given_answer="so"), OPEN[3], replace(CHOICE[4], given_answer="b")]
    interview = Interview(lm, mixed, Manner(max_new_tokens=5))
    assert all(len({interview._way(index) for index in batch}) == 1 for batch in interview.batches)
    together = interview.answer_all()
    for question, answer in zip(mixed, together, strict=True):
        alone = Interview(lm, [question], Manner(max_new_tokens=5)).answer_all()[0]
        assert (answer.text, answer.tokens) == (alone.text, alone.tokens)


@pytest.mark.parametrize("given", ["", "  \n "])
def test_an_answer_of_white_space_has_no_token(lm: LanguageModel, given: str) -> None:
    questions = [replace(OPEN[0], given_answer=given), replace(OPEN[1], given_answer="yes")]
    empty, filled = Interview(lm, questions, Manner()).answer_all()
    assert (empty.text, empty.tokens, tuple(empty.states.shape)) == ("", [], (0, 32))
    assert filled.tokens


def test_a_model_that_ends_its_turn_at_once_gives_an_empty_answer(lm: LanguageModel) -> None:
    first = generate(lm, prompts_of(lm, OPEN[:1]), 1)[0].tokens[0]
    answer = Interview(replace(lm, end_tokens=(first,)), OPEN[:1], Manner()).answer_all()[0]
    assert (answer.text, answer.tokens, answer.is_cut) == ("", [], False)


def in_parity(lm: LanguageModel, question: Question, text: str) -> tuple[list[int], torch.Tensor]:
    """Tokens and states as the released code has them: the whole text is read, then rows of closing tokens go."""
    messages = chat_messages(question)
    before = lm.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    whole = lm.tokenizer.apply_chat_template([*messages, {"role": "assistant", "content": text}], tokenize=False)
    prompt, ids = (lm.tokenizer(rendered)["input_ids"] for rendered in (before, whole))
    states = lm.model.get_decoder()(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0]
    dropped = [lm.tokenizer.eos_token_id, *lm.tokenizer("\n", add_special_tokens=False)["input_ids"]]
    kept = [place for place in range(len(prompt), len(ids)) if ids[place] not in dropped]
    return [ids[place] for place in kept], states[[place - 1 for place in kept]]


@pytest.mark.parametrize("text", ["one\ntwo", "plain", "a\n\nb\nc"])
def test_parity_reads_everything_and_drops_closing_tokens_wherever_they_stand(lm: LanguageModel, text: str) -> None:
    """The tiny template ends a turn with its end token and a line break, so line breaks inside are dropped too."""
    question = replace(OPEN[0], given_answer=text)
    answer = Interview(lm, [question], Manner(prompt="parity")).answer_all()[0]
    tokens, states = in_parity(lm, OPEN[0], text)
    assert answer.text == text
    assert answer.tokens == tokens
    assert len(tokens) == len(text) - text.count("\n")
    torch.testing.assert_close(answer.states, states, rtol=1e-4, atol=1e-4)


def test_parity_probes_generated_answers_by_their_text(lm: LanguageModel) -> None:
    for question, answer in zip(
        OPEN, Interview(lm, OPEN, Manner(prompt="parity", max_new_tokens=6)).answer_all(), strict=True
    ):
        tokens, states = in_parity(lm, question, answer.text)
        assert answer.tokens == tokens
        torch.testing.assert_close(answer.states, states, rtol=1e-4, atol=1e-4)


def test_long_given_answers_are_kept_whole(lm: LanguageModel) -> None:
    text = "word " * 50
    answer = Interview(lm, [replace(OPEN[0], given_answer=text)], Manner(max_new_tokens=3)).answer_all()[0]
    assert answer.text == text.strip()
    assert len(answer.tokens) == len(answer.states) == len(text.strip())


def test_a_prompt_without_room_for_its_answer_is_refused(lm: LanguageModel) -> None:
    window = lm.context_window
    room = window - len(prompts_of(lm, OPEN[:1])[0])
    Interview(lm, OPEN[:1], Manner(max_new_tokens=room))
    with pytest.raises(UserError, match=rf"at most {window} tokens, but got {window + 1} tokens for question q0"):
        Interview(lm, OPEN[:1], Manner(max_new_tokens=room + 1))
    given = replace(OPEN[0], given_answer="x" * (room + 1))
    with pytest.raises(UserError, match="context window"):
        Interview(lm, [given], Manner())
