"""What people have for questions, as the questions that a model is asked.

Texts, mappings, conversations, `Question` records; in a list, a table of pandas, polars or Arrow, a data set, a file.
"""

from ccps.core.errors import expected
from ccps.core.visible import seen
from ccps.data.records import Question
from ccps.scorer.asked import Asked
from ccps.scorer.containers import listed_questions
from ccps.scorer.items import as_one


def as_asked(questions: object, format: str | None = None) -> list[Asked]:
    """Read questions in whatever form they come.

    Args:
        questions: a list of texts, mappings, conversations or `Question` records; a table whose columns are named as
            the keys of such mappings; or the path of a file of one.
        format: `mc` if all must have options, `oe` if none may have; None if they must only be alike.

    Returns:
        The questions, in order. One without an id is named by its place, counted from 0.

    Raises:
        UserError: naming the first question that is none, or the file that cannot be read.

    Example:
        >>> [one] = as_asked([{"text": "Which river runs through Cologne?", "options": ["Elbe", "Rhine", "Main"]}])
        >>> one.question.letters
        'abc'
        >>> as_asked([[{"role": "user", "content": "Who wrote Hamlet?"}]])[0].question.text
        'Who wrote Hamlet?'
    """
    asked = [as_one(item, place) for place, item in enumerate(listed_questions(questions))]
    form = format or (asked[0].question.format if asked else None)
    for one in asked:
        _check_format(one.question, form, format is not None)
    return asked


def one_question(item: object, place: int, format: str) -> Question:
    """One question of a format, `mc` or `oe`; errors as of `as_asked`."""
    question = as_one(item, place).question
    _check_format(question, format, is_fitted=True)
    return question


def _check_format(question: Question, format: str | None, is_fitted: bool) -> None:
    name = f"question {question.id!r}"
    if not seen(question.text):
        raise expected(name, "one with a `text`", "none", "Give every question its text.")
    if format == "oe" and question.options:
        why = "the probe is for open-ended answers" if is_fitted else "so is the first"
        raise expected(name, f"without options: {why}", "some", "Leave them out.")
    if format == "mc" and not 2 <= len(question.options) <= 26:
        way_out = "Correct them." if is_fitted or question.options else "Fit multiple choice and open questions apart."
        raise expected(f"`options` of {name}", "a list of 2 to 26 texts", len(question.options), way_out)
