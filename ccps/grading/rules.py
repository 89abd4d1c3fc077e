"""Graders that compare texts as they stand, or take the data's own word."""

from collections.abc import Sequence
from typing import Literal

from ccps.data.records import Question
from ccps.grading.base import Comparison, Grader, Verdict
from ccps.grading.letters import answer_letter

Rule = Literal["substring", "letter"]


def grade(answer: str | None, question: Question, grader: Rule) -> bool:
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


class Substring(Comparison):
    """Right if an accepted text occurs in the answer, case and all: what the released CCPS code does for letters."""

    name = "substring"
    formats = frozenset({"mc", "oe"})

    def is_right(self, answer: str, question: Question) -> bool:
        """Whether an accepted text occurs in it."""
        return grade(answer, question, "substring")


class Letter(Comparison):
    """Right if the answer is nothing but the accepted letter."""

    name = "letter"
    formats = frozenset({"mc"})

    def is_right(self, answer: str, question: Question) -> bool:
        """Whether it is the letter."""
        return grade(answer, question, "letter")


class Given(Grader):
    """The label that the data hold for the answer that the data hold."""

    name = "given"
    formats = frozenset({"mc", "oe"})

    def grade_all(self, pairs: Sequence[tuple[Question, str]]) -> list[Verdict]:
        """The label of each question; unknown where the data have none, or have it for another answer."""
        return [_given(question, answer) for question, answer in pairs]


def _given(question: Question, answer: str) -> Verdict:
    if question.given_label is None:
        return Verdict(None, "the data hold no label")
    if question.given_answer is None or answer.strip() != question.given_answer.strip():
        return Verdict(None, "the data's label is for another answer")
    return Verdict(question.given_label)
