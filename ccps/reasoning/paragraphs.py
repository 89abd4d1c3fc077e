"""The first paragraph of what a model is saying, and whether it is whole yet; the first sentence of a paragraph."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from ccps.faithful import Mode, first_paragraph
from ccps.faithful.sentences import sentence_spans
from ccps.reasoning.offsets import silent_tokens


class ParagraphReader:
    """Turns drawn tokens into text, and tells when its first paragraph is whole.

    Args:
        tokenizer: a transformers tokenizer.
        mode: what a paragraph is, see `ccps.faithful.first_paragraph`.
    """

    def __init__(self, tokenizer: Any, mode: Mode) -> None:
        self.tokenizer, self.mode = tokenizer, mode
        self._silent = silent_tokens(tokenizer)
        # A paragraph ends with a line or with a tag, and most tokens have neither in them.
        self._may_end = cache(lambda token: any(sign in self._text([token]) for sign in "\n>]▷"))

    def paragraph(self, tokens: Sequence[int]) -> str:
        """The first paragraph."""
        return first_paragraph(self._text(tokens), mode=self.mode)

    def is_complete(self, tokens: list[int]) -> bool:
        """Whether no further token changes the first paragraph."""
        if not self._may_end(tokens[-1]):
            return False
        text = self._text(tokens)
        return first_paragraph(text + "x", mode=self.mode) == first_paragraph(text, mode=self.mode)

    def _text(self, tokens: Sequence[int]) -> str:
        heard = [token for token in tokens if token not in self._silent]
        return str(self.tokenizer.decode(heard, clean_up_tokenization_spaces=False))


def first_sentence(paragraph: str) -> str:
    """The first sentence of a paragraph, as steps are cut where they are sentences; empty if there is none."""
    return next((paragraph[start:end] for start, end in sentence_spans(paragraph)), "")
