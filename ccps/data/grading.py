"""Whether an answer is right."""

import re
from typing import Literal

from ccps.data.records import Question

Grader = Literal["substring", "letter"]

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


def grade(answer: str | None, question: Question, grader: Grader) -> bool:
    """Whether the answer counts as correct.

    1. "substring" (parity with the released CCPS code): an accepted text occurs in the answer, case and all.
       "The" holds the letter "e" and passes for it; "B" does not hold "b".
    2. "letter" (strict): the answer is nothing but the accepted letter.

    An empty or missing answer is wrong under both.

    Raises:
        ValueError: unknown grader, or "letter" for an open-ended question.
    """
    if grader == "substring":
        return any(target in (answer or "") for target in question.accepted)
    if grader == "letter" and question.format == "mc":
        return answer_letter(answer) in question.accepted
    raise ValueError(
        f"Expected `grader` to be substring, or letter for multiple choice, but got {grader!r} for the "
        f"{question.format} question {question.id}."
    )
