"""The query about an answer, on a tiny random model: against the plain call of the whole model."""

from collections.abc import Callable

import pytest
import torch

from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.errors import UserError
from ccps.interview import Manner
from ccps.llm import LanguageModel
from ccps.self_evaluation import QUERY, SelfEvaluation

OPEN = [
    Question(f"q{i}", "s", text, (), ("x",), "t", "s") for i, text in enumerate(("Who?", "What is it, then?", "Why?"))
]
ANSWERS = ["Ann", "a longer answer than that", "so"]


@pytest.mark.parametrize("max_batch_tokens", [1, 10_000])
def test_logits_are_those_of_the_whole_conversation(
    tiny_model: Callable[..., LanguageModel], max_batch_tokens: int
) -> None:
    lm = tiny_model("llama")
    asked = SelfEvaluation(lm, OPEN, ANSWERS, Manner(max_batch_tokens=max_batch_tokens))
    assert sorted(index for batch in asked.batches for index in batch) == [0, 1, 2]
    letters = [lm.tokenizer(letter)["input_ids"][0] for letter in "ab"]
    for batch in asked.batches:
        for index, got in zip(batch, asked.ask(batch), strict=True):
            conversation = [
                *chat_messages(OPEN[index]),
                {"role": "assistant", "content": ANSWERS[index]},
                {"role": "user", "content": QUERY},
            ]
            ids = lm.tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_dict=False)
            own = lm.model(input_ids=torch.tensor([ids])).logits[0, -1, letters]
            torch.testing.assert_close(got, own.detach(), rtol=1e-4, atol=1e-4)


def test_a_conversation_that_is_too_long_is_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", max_position_embeddings=512)
    with pytest.raises(UserError, match=r"at most 512 tokens.*question q1"):
        SelfEvaluation(lm, OPEN, ["x", "x" * 500, "x"], Manner())
