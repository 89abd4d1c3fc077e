"""Answers that are given, and what is known of whether they are right."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ccps.core.errors import expected
from ccps.core.visible import seen
from ccps.data.convert import LABELS
from ccps.data.named_option import named_option
from ccps.data.records import Question
from ccps.data.values import as_list, as_text, written_texts
from ccps.grading import GraderConfig, make_grader
from ccps.scorer.asked import Asked, column, misread

Labels = npt.NDArray[np.float64]
"""1 for right, 0 for wrong, NaN for not known; `[questions]`."""

GRADER = {"mc": "letter", "oe": "contains"}
"""How an answer is compared with what is accepted: the letter itself, or a text that says an accepted one."""

_WAY_OUT = "Give one for each."


def with_answers(asked: Sequence[Asked], answers: object) -> list[Asked]:
    """The questions, each with its answer, which is then read and not generated.

    Args:
        asked: the questions.
        answers: a list, or the name of a column of the questions' table. Where there are options, an answer is a
            letter or the text of an option, for which its letter stands; else it is any text.

    Raises:
        UserError: there are not as many, one is no text or empty, or one is none of the options.

    Example:
        >>> from ccps.scorer.questions import as_asked
        >>> asked = as_asked([{"text": "Which river runs through Cologne?", "options": ["Elbe", "Rhine", "Main"]}])
        >>> with_answers(asked, ["Rhine"])[0].question.given_answer
        'b'
    """
    values = _one_each(asked, answers, "answers", "texts")
    try:
        texts = [as_text(value, f"answer {place}") for place, value in enumerate(values)]
    except ValueError as error:
        raise misread("`answers`", error) from error
    empty = [one.question.id for one, text in zip(asked, texts, strict=True) if not seen(text)]
    if empty:
        got = f"nothing for question {', '.join(map(repr, empty[:5]))}"
        raise expected("every answer", "a text that is not empty", got, "Leave these questions out.")
    return [_answered(one, text) for one, text in zip(asked, texts, strict=True)]


def _answered(one: Asked, text: str) -> Asked:
    answer = _named(one.question, text, "the answer to")
    # A label that came with the question was for another answer.
    return replace(one, question=replace(one.question, given_answer=answer, given_label=None))


def _named(question: Question, text: str, what: str) -> str:
    """The letter of the option that a text names; of an open-ended question the text itself."""
    if not question.options:
        return text
    try:
        letter = named_option(text, question.options)
    except ValueError as error:
        wanted = "the letter or the text of one of its options"
        raise expected(f"{what} question {question.id!r}", wanted, str(error), "Correct it.") from error
    if letter is None:
        wanted = f"a letter from a to {question.letters[-1]} or the text of one of its options"
        raise expected(f"{what} question {question.id!r}", wanted, repr(text[:60]), "Correct it, or leave it out.")
    return letter


def labels_of(asked: Sequence[Asked], correct: object) -> tuple[list[Asked], Labels | None]:
    """What is known of the answers: labels, or what is accepted.

    Args:
        asked: the questions.
        correct: a list, or the name of a column of the questions' table: of labels (1, 0, true, false; -1 or a missing
            value where it is not known), or of accepted answers: a letter, the text of an option, or where there are no
            options a text or a list of texts. None for what the questions themselves say: of the answers that came
            with them, or of what is accepted.

    Returns:
        The questions with what is accepted, and the labels `[questions]`; None if the answers are to be graded.

    Raises:
        UserError: nothing is known, there are not as many as questions, or one is neither.

    Example:
        >>> from ccps.scorer.questions import as_asked
        >>> labels_of(as_asked(["Who?", "What?"]), [True, -1])[1]
        array([ 1., nan])
    """
    if correct is None:
        given = [one.question.given_label for one in asked]
        if any(label is not None for label in given):
            return list(asked), np.array([np.nan if label is None else float(label) for label in given])
        accepted: list[Any] = [list(one.question.accepted) or None for one in asked]
        if not any(accepted):
            raise expected(
                "`correct`",
                "given, or `accepted` with each question",
                "neither",
                "Pass labels (1 for a right answer, 0 for a wrong one) or accepted answers, one for each question.",
            )
        return _accepting(asked, accepted), None
    values = _one_each(asked, correct, "correct", "labels or accepted answers")
    labels = [_label(value) for value in values]
    if all(one is not None for one in labels):
        return list(asked), np.array(labels, dtype=np.float64)
    if any(isinstance(value, bool | np.bool_ | int | float) and not _is_missing(value) for value in values):
        place = next(place for place, one in enumerate(labels) if one is None)
        raise expected(
            f"`correct` of question {asked[place].question.id!r}",
            "1, 0, true or false where others are, or all of them accepted answers, as texts",
            repr(values[place])[:60],
            "Name options by their letters or texts, not by numbers.",
        )
    return _accepting(asked, values), None


def _accepting(asked: Sequence[Asked], values: Sequence[Any]) -> list[Asked]:
    found = []
    for one, value in zip(asked, values, strict=True):
        question = one.question
        try:
            listed = [] if _is_missing(value) else written_texts(value, "`correct`")
            listed = as_list(listed, "`correct`") if not isinstance(listed, str) else [listed]
            texts = [as_text(text, "`correct`") for text in listed]
        except ValueError as error:
            raise misread(f"what is accepted of question {question.id!r}", error) from error
        accepted = tuple(_named(question, text, "what is accepted of") for text in texts if text.strip())
        found.append(replace(one, question=replace(question, accepted=accepted)))
    return found


def grade(questions: Sequence[Question], answers: Sequence[str]) -> Labels:
    """Compare answers with what is accepted; NaN where nothing is, `[questions]`."""
    labels = np.full(len(questions), np.nan)
    known = [place for place, question in enumerate(questions) if question.accepted]
    if known:
        grader = make_grader(GraderConfig(GRADER[questions[known[0]].format]), Path())
        verdicts = grader.grade_all([(questions[place], answers[place]) for place in known])
        labels[known] = [np.nan if one.correct is None else float(one.correct) for one in verdicts]
    return labels


def _label(value: object) -> float | None:
    """1, 0, or NaN for not known; None for what is no label."""
    if _is_missing(value):
        return np.nan
    try:
        written = as_text(value, "`correct`").strip().lower().removesuffix(".0")
    except ValueError:
        return None
    if written not in LABELS:
        return None
    known = LABELS[written]
    return np.nan if known is None else float(known)


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _one_each(asked: Sequence[Asked], values: object, argument: str, kind: str) -> list[Any]:
    """A value for each question."""
    if isinstance(values, str):
        return column(asked, values, argument)
    try:
        if hasattr(values, "to_pylist"):  # of Arrow
            values = values.to_pylist()
        listed = as_list(values, f"`{argument}`")
    except ValueError as error:
        raise expected(f"`{argument}`", f"a list of {kind}, one per question", str(error), _WAY_OUT) from error
    if len(listed) != len(asked):
        raise expected(f"`{argument}`", f"{len(asked)} {kind}, one per question", len(listed), _WAY_OUT)
    return listed
