"""Answers that are nothing but an option letter, however it is spelt."""

from ccps.data.named_option import LETTER
from ccps.data.records import Question

SPELLINGS_VERSION = 2
"""Raised when another text counts as a letter."""


def answer_letter(answer: str | None) -> str | None:
    """The letter, lower-case, if the answer is nothing but a letter; else None.

    A multiple-choice answer is one token, and tokenizers have tokens such as `(b`: that is b, what would close the
    bracket being another token.
    """
    match = LETTER.fullmatch((answer or "").strip())
    return match[1].lower() if match else None


def is_option_letter(answer: str | None, question: Question) -> bool:
    """Whether the answer is nothing but the letter of one of the question's options."""
    letter = answer_letter(answer)
    return letter is not None and letter in question.letters
