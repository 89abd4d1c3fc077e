"""Answers that are nothing but an option letter."""

import re

from ccps.data.records import Question

# b, B, (b), b) and b. — and nothing else around it.
LETTER = re.compile(r"\(([A-Za-z])\)|([A-Za-z])[).]?")


def answer_letter(answer: str | None) -> str | None:
    """The letter, lower-case, if the answer is nothing but a letter; else None."""
    match = LETTER.fullmatch((answer or "").strip())
    return (match[1] or match[2]).lower() if match else None


def is_option_letter(answer: str | None, question: Question) -> bool:
    """Whether the answer is nothing but the letter of one of the question's options."""
    letter = answer_letter(answer)
    return letter is not None and letter in question.letters
