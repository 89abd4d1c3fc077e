"""On which sources of questions a model is above chance, and a sweep without the others.

A confidence tells right answers from wrong ones. Where a model guesses, which are right is luck, and no strength is
better than another.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ccps.core.errors import UserError, expected
from ccps.data.records import Question
from ccps.metrics.chance import guessing_rate, p_of_guessing
from ccps.needs.base import AnsweredQuestions
from ccps.stages.main.runs import Count, ModelAnswers

TRAINING, TEST = "training", "test"


class Source(NamedTuple):
    """One model's answers to the questions of one source.

    Attributes:
        model: which model.
        source: name of the benchmark.
        side: `training` or `test`.
        format: of its questions.
        n: answers that are known to be right or wrong.
        right: of these.
        guessing: the share that is right without reading, see `guessing_rate`.
        p_value: how probable guessing is to do as well.
        used: whether it is swept.
    """

    model: str
    source: str
    side: str
    format: str
    n: int
    right: int
    guessing: float
    p_value: float
    used: bool


def sources_of(answers: ModelAnswers, level: float | None) -> list[Source]:
    """Every source of one model, training first.

    A test is used if the model is above chance on the training source of its name; without one, if it is on the test.
    Whether an answer is right decides, never a confidence.

    Args:
        answers: graded.
        level: what the p-value must be below; None uses every source.
    """
    found: dict[tuple[str, str], bool] = {}
    rows = []
    sides = [(TRAINING, side) for side in answers.trains.values()] + [(TEST, side) for side in answers.tests.values()]
    for kind, side in sides:
        for row in _measured(answers.model, kind, side):
            above = level is None or row.p_value < level
            used = found.setdefault((row.format, row.source), above)
            rows.append(row._replace(used=used))
    return rows


def _measured(model: str, kind: str, side: AnsweredQuestions) -> Iterator[Source]:
    graded = side.labels.rows().select(["question_id", "correct"]).to_pandas().dropna(subset="correct")
    correct = dict(zip(graded["question_id"], graded["correct"].astype(bool), strict=True))
    groups: dict[str, list[Question]] = {}
    for question in side.questions:
        if question.id in correct:
            groups.setdefault(question.source, []).append(question)
    for source, questions in groups.items():
        right = sum(correct[question.id] for question in questions)
        rate = guessing_rate([len(one.options) for one in questions], [one.accepted for one in questions])
        p_value = p_of_guessing(right, len(questions), rate)
        yield Source(model, source, kind, side.format, len(questions), right, rate, p_value, used=True)


def above_chance(answers: Sequence[ModelAnswers], level: float) -> list[ModelAnswers]:
    """What is left of the answers of each model without the sources on which it is at chance.

    Args:
        answers: graded.
        level: see `sources_of`.

    Raises:
        UserError: nothing is left.
    """
    sources = {own.model: sources_of(own, level) for own in answers}
    left = [without_chance(own, sources[own.model]) for own in answers]
    if not any(own.trains for own in left):
        raise nothing_above_chance([row for own in sources.values() for row in own])
    return left


def without_chance(answers: ModelAnswers, sources: Iterable[Source]) -> ModelAnswers:
    """The answers to questions of used sources; a format without such training questions, or such a test, is gone."""
    used = {(row.side, row.format, row.source) for row in sources if row.used}
    trains = _of_sources(answers.trains, TRAINING, used)
    tests = _of_sources(answers.tests, TEST, used)
    formats = set(trains) & {side.format for side in tests.values()}
    return answers._replace(
        trains={form: side for form, side in trains.items() if form in formats},
        tests={label: side for label, side in tests.items() if side.format in formats},
    )


def _of_sources(
    sides: Mapping[str, AnsweredQuestions], kind: str, used: set[tuple[str, str, str]]
) -> dict[str, AnsweredQuestions]:
    kept = {}
    for label, side in sides.items():
        questions = [one for one in side.questions if (kind, side.format, one.source) in used]
        if questions:
            kept[label] = replace(side, questions=questions)
    return kept


def nothing_above_chance(sources: Sequence[Source]) -> UserError:
    """What to say where nothing is left to sweep."""
    names = ", ".join(sorted({f"{row.model} on {row.source}" for row in sources if not row.used}))
    return expected(
        "the models of a sweep",
        "above chance on some source of training and of test questions",
        f"none ({names})",
        "Ask easier questions, or more of them, or set sweep.at_chance=keep.",
    )


def chance_counts(sources: Sequence[Source]) -> list[Count]:
    """What is left out, source by source and by its name."""
    return [
        Count(
            f"answers of {row.model} to {row.source} ({row.side}, {row.format}) left out",
            row.n,
            f"at chance: {row.right} right, {row.guessing:.1%} without reading, p = {row.p_value:.2g}",
        )
        for row in sources
        if not row.used
    ]
