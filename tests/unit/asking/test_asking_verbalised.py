import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from ccps.asking.interview import Manner
from ccps.asking.verbalised import MAX_NEW_TOKENS, QUERY, Verbalisation, stated_probability
from ccps.core.errors import UserError
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import LanguageModel

OPEN = [
    Question(f"q{i}", "s", text, (), ("x",), "t", "s") for i, text in enumerate(("Who?", "What is it, then?", "Why?"))
]
ANSWERS = ["Ann", "a longer answer than that", "so"]


@pytest.mark.parametrize(
    ("text", "probability"),
    [
        ("85", 0.85),
        ("85%", 0.85),
        (" 85 %.", 0.85),
        ("**85%**", 0.85),
        ("85 percent", 0.85),
        ("0.85", 0.85),
        (".85", 0.85),
        ("0", 0.0),
        ("0%", 0.0),
        ("100", 1.0),
        ("100.0%", 1.0),
        ("1%", 0.01),
        ("0.5%", 0.005),
        ("99.5", 0.995),
        ("Probability: 85%", 0.85),
        ("The probability is 85%.", 0.85),
        ("I’m about 85% sure", 0.85),
        ("85%\n\nThat is because not", 0.85),
    ],
)
def test_a_probability_is_read(text: str, probability: float) -> None:
    stated = stated_probability(text)
    assert stated[0] == pytest.approx(probability)
    assert stated[1] == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no number"),
        ("Very likely", "no number"),
        ("eighty-five", "no number"),
        ("80-90%", "several numbers"),
        ("85/100", "several numbers"),
        ("85,5 %", "several numbers"),
        ("1e-3", "several numbers"),
        ("1", "1 without a percent sign"),
        ("1.0", "1 without a percent sign"),
        ("150%", "above 100 %"),
        ("850", "above 100 %"),
        ("-5", "unclear wording"),
        ("> 90%", "unclear wording"),
        ("85% wrong", "unclear wording"),
        ("It is not 85%", "unclear wording"),
        ("My answer is 85% incorrect", "unclear wording"),
        ("The 5th", "unclear wording"),
        ("b2", "unclear wording"),
    ],
)
def test_what_is_not_clearly_a_probability_is_none(text: str, reason: str) -> None:
    got = stated_probability(text)
    assert math.isnan(got.probability)
    assert got.reason == reason


def test_a_number_at_the_end_of_a_reply_that_was_cut_off_may_lack_digits() -> None:
    assert stated_probability("I would say about 8", is_cut=True).reason == "number cut off"
    assert stated_probability("I would say about 8%", is_cut=True).probability == 0.08
    assert stated_probability("8\nThat is", is_cut=True).probability == 0.08


@pytest.mark.parametrize("max_batch_tokens", [1, 10_000])
def test_replies_are_those_of_the_whole_conversation(
    tiny_model: Callable[..., LanguageModel], max_batch_tokens: int
) -> None:
    # Digits are rare in what a random model writes: every token that could end the turn would end it.
    lm = replace(tiny_model("llama"), end_tokens=())
    asked = Verbalisation(lm, OPEN, ANSWERS, Manner(max_batch_tokens=max_batch_tokens))
    assert sorted(index for batch in asked.batches for index in batch) == [0, 1, 2]
    for batch in asked.batches:
        for index, got in zip(batch, asked.ask(batch), strict=True):
            conversation = [
                *chat_messages(OPEN[index]),
                {"role": "assistant", "content": ANSWERS[index]},
                {"role": "user", "content": QUERY},
            ]
            ids = lm.tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_dict=False)
            whole = lm.model.generate(torch.tensor([ids]), max_new_tokens=MAX_NEW_TOKENS, do_sample=False)[
                0, len(ids) :
            ]
            assert got.text == lm.tokenizer.decode(whole, skip_special_tokens=True).strip()
            assert (got.probability, got.reason) == pytest.approx(
                tuple(stated_probability(got.text, is_cut=True)), nan_ok=True
            )
            assert got.cost == len(ids) - asked.layout.shared + MAX_NEW_TOKENS


def test_a_conversation_that_is_too_long_is_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", max_position_embeddings=512)
    with pytest.raises(UserError, match=r"at most 512 tokens.*question q1"):
        Verbalisation(lm, OPEN, ["x", "x" * 500, "x"], Manner())
