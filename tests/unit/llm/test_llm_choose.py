from collections.abc import Callable

import pytest
import torch

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, choose_tokens, letter_tokens


def test_greedy_takes_the_most_probable_token_of_all(tiny_model: Callable[..., LanguageModel]) -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, -1.0, 1.0]])
    assert choose_tokens(tiny_model("llama"), logits, [2, 2], "greedy") == [1, 0]


def test_letters_takes_the_most_probable_among_a_questions_own_letters(
    tiny_model: Callable[..., LanguageModel],
) -> None:
    lm = tiny_model("llama")
    a, b, c, d = letter_tokens(lm, 4)
    assert lm.tokenizer.decode([a, b, c, d]) == "abcd"
    logits = torch.zeros(2, 259)
    logits[:, d] = 3.0
    logits[:, 0] = 9.0
    logits[0, b] = 1.0
    assert choose_tokens(lm, logits, [2, 4], "letters") == [b, d]


def test_letter_of_several_tokens_is_refused(
    tiny_model: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = tiny_model("llama")
    monkeypatch.setattr(type(lm.tokenizer), "__call__", lambda self, text, **options: {"input_ids": [1, 2]})
    with pytest.raises(UserError, match=r"option letter `a` to be one token of model `tiny-llama`, but got 2 tokens"):
        letter_tokens(lm, 2)
