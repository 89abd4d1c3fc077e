"""Questions with the answers and labels that another tool has already collected."""

from collections import Counter
from dataclasses import dataclass

from ccps.core.errors import expected
from ccps.data.benchmarks import load_questions
from ccps.data.records import Question
from ccps.settings.benchmark import BenchmarkSpec


@dataclass(frozen=True)
class Answered:
    """What `ConfidenceScorer.fit` takes, `fit(answered.questions, answered.answers, answered.correct)`."""

    questions: list[Question]
    """The questions, each with its `given_answer` and `given_label`."""
    answers: list[str]
    """An option letter or a text for each."""
    correct: list[bool]
    """Whether it is right, by the other tool."""
    left_out: Counter[str]
    """How many records are not among them, by reason."""

    @property
    def places(self) -> list[int]:
        """Which record of the file each question is, from 0."""
        return [int(question.id.rpartition("/")[2]) for question in self.questions]


def load_answered(spec: BenchmarkSpec) -> Answered:
    """Read a benchmark that holds answers and labels.

    Raises:
        UserError: as `load_questions`, or no record has both.
    """
    questions, left_out, _ = load_questions(spec)
    unlabelled = [one for one in questions if one.given_answer is None or one.given_label is None]
    left_out = left_out + Counter({"it has no answer or no label": len(unlabelled)})
    found = [one for one in questions if one.given_answer is not None and one.given_label is not None]
    if not found:
        raise expected(
            f"{spec.location}",
            "a file with answers that are labelled",
            f"none ({', '.join(f'{number} left out: {reason}' for reason, number in left_out.items() if number)})",
            "Name a metric or scorer that says of every answer whether it is right.",
        )
    return Answered(
        found, [str(one.given_answer) for one in found], [bool(one.given_label) for one in found], +left_out
    )
