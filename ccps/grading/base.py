"""One interface for everything that says whether an answer is right."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from ccps.core.errors import expected
from ccps.data.records import Question
from ccps.grading.signs import plain_signs
from ccps.settings.grading import GraderConfig


class Verdict(NamedTuple):
    """What a grader says of one answer."""

    correct: bool | None
    """Whether it is right; None where the grader cannot say."""
    reason: str = ""
    """Why it cannot say, or why it did not have to look."""


class Usage(NamedTuple):
    """What the verdicts given since the grader was made have taken, whichever run asked for them."""

    calls: int
    """Replies that an endpoint sent since then."""
    cached: int
    """Judgements found in the cache."""
    prompt_tokens: int
    """Tokens sent, as the endpoint counts them, for the judgements found in the cache too."""
    completion_tokens: int
    """Tokens of the replies, counted likewise."""
    uncounted: int
    """Judgements of which the endpoint did not count all tokens; the totals lack theirs."""


NOTHING_USED = Usage(0, 0, 0, 0, 0)
EMPTY = Verdict(False, "empty answer")


class Grader(ABC):
    """Tells right answers from wrong ones.

    Attributes:
        name: what `conf/grader` calls it.
        formats: question formats it can grade, of "mc" and "oe".
        version: raised when its code would give another verdict on the same answer.
    """

    name: ClassVar[str]
    formats: ClassVar[frozenset[str]]
    version: ClassVar[int] = 1

    @classmethod
    def make(cls, config: GraderConfig, cache: Path) -> Self:
        """Build it from settings that fit it; `cache` is where a judge keeps its judgements."""
        return cls()

    @abstractmethod
    def grade_all(self, pairs: Sequence[tuple[Question, str]]) -> list[Verdict]:
        """Grade answers, `[n]` pairs of question and answer.

        Returns:
            A verdict for each, in order.

        Raises:
            UserError: a question is of a format that this grader cannot grade, or has no accepted answer.
        """

    def settings(self) -> dict[str, Any]:
        """Everything that decides a verdict, for the key of an artifact."""
        return {"name": self.name, "version": self.version}

    @property
    def usage(self) -> Usage:
        """What the verdicts since construction have taken."""
        return NOTHING_USED

    @property
    def step_size(self) -> int:
        """How many answers are best graded in one go; few enough that a progress bar moves."""
        return 32

    def close(self) -> None:  # noqa: B027 (most graders hold nothing open)
        """Let go of files and connections; grading again opens them anew."""


class Comparison(Grader):
    """A grader that needs nothing but the answer and what is accepted."""

    @abstractmethod
    def is_right(self, answer: str, question: Question) -> bool:
        """Whether an answer that is not empty is right."""

    def grade_all(self, pairs: Sequence[tuple[Question, str]]) -> list[Verdict]:
        """Compare each answer with the accepted ones; an empty answer is wrong."""
        for question, _ in pairs:
            check_gradable(self, question)
        return [EMPTY if is_empty(answer) else Verdict(self.is_right(answer, question)) for question, answer in pairs]


def is_empty(answer: str) -> bool:
    """Whether there is no answer; it then counts as wrong and nobody is asked."""
    return not plain_signs(answer).strip()


def check_gradable(grader: Grader, question: Question) -> None:
    """Refuse a question that a grader cannot compare an answer with.

    Raises:
        UserError: wrong format, no accepted answer, or an empty one.
    """
    if question.format not in grader.formats:
        way_out = "Choose another grader for it, docs/graders.md says which are for what."
        kind = {"mc": "multiple choice", "oe": "open-ended"}
        wanted = " or ".join(kind[name] for name in sorted(grader.formats))
        got = f"{kind[question.format]} question {question.id}"
        raise expected(f"every question for the grader `{grader.name}`", wanted, got, way_out)
    if not question.accepted or any(is_empty(text) for text in question.accepted):
        got = "an empty one" if question.accepted else "none"
        way_out = "Correct the record in its file, or leave the question out."
        raise expected(f"question {question.id}", "given with accepted answers", got, way_out)
