"""Graders that compare texts as they stand, or take the data's own word."""

from collections.abc import Sequence

from ccps.data.records import Question
from ccps.grading.base import Comparison, Grader, Verdict
from ccps.grading.letters import answer_letter
from ccps.grading.registry import register


@register
class Substring(Comparison):
    """Right if an accepted text occurs in the answer, case and all: parity with the released CCPS code.

    "The" holds the letter "e" and passes for it; "B" does not hold "b".
    """

    name = "substring"
    formats = frozenset({"mc", "oe"})

    def is_right(self, answer: str, question: Question) -> bool:
        """Whether an accepted text occurs in it."""
        return any(text in answer for text in question.accepted)


@register
class Letter(Comparison):
    """Right if the answer is nothing but the accepted letter, however it is spelt: see `answer_letter`."""

    name = "letter"
    version = 2
    formats = frozenset({"mc"})

    def is_right(self, answer: str, question: Question) -> bool:
        """Whether it is the letter."""
        return answer_letter(answer) in question.accepted


@register
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
