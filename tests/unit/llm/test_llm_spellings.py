from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from ccps.grading import answer_letter
from ccps.llm.random_model import byte_tokenizer
from ccps.llm.spellings import letter_spellings


def tokenizer_of(vocabulary: list[str], *, sentencepiece: bool) -> Any:
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(vocabulary)}, merges=[]))
    if sentencepiece:
        tokenizer.decoder = decoders.Metaspace()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<b>")


@pytest.mark.parametrize(("space", "sentencepiece"), [("Ġ", False), ("▁", True)])
def test_every_spelling_that_is_one_token_is_found(space: str, sentencepiece: bool) -> None:
    yes = ["b", f"{space}b", "B", f"{space}B", "(b", f"{space}(b", "b)", "b.", "(b)", "b:", f"{space}{space}b"]
    no = ["<b>", "bb", "ab", "(", f"{space}", "b1", "-b", "b and", "ß"]
    tokenizer = tokenizer_of([*yes, *no, "a", "(A"], sentencepiece=sentencepiece)
    a, b, c = letter_spellings(tokenizer, "abc", 100)
    assert b == list(range(len(yes)))
    assert a == [len(yes) + len(no), len(yes) + len(no) + 1]
    assert c == []
    assert letter_spellings(tokenizer, "b", 3) == [[0, 1, 2]]


def test_they_are_what_the_grader_reads_token_by_token() -> None:
    tokenizer = byte_tokenizer()
    for letter, tokens in zip("abcd", letter_spellings(tokenizer, "abcd", 1000), strict=True):
        wanted = [n for n in range(3, len(tokenizer)) if answer_letter(tokenizer.decode([n])) == letter]
        assert tokens == wanted
        assert {tokenizer.decode([token]) for token in tokens} == {letter, letter.upper()}
