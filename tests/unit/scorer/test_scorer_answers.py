"""Answers and labels as people have them."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from two_questions import ROWS

from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.scorer.answers import grade, labels_of, with_answers
from ccps.scorer.questions import as_asked


def test_an_answer_that_is_a_letter_and_the_text_of_another_option_is_refused() -> None:
    asked = as_asked([{"text": "Which grade?", "options": ["C", "B", "A"]}])
    with pytest.raises(UserError, match=r"'A', the letter of one option and the text of another: write \(c\) or"):
        with_answers(asked, ["A"])
    assert [with_answers(asked, [said])[0].question.given_answer for said in ("(a)", "b")] == ["a", "b"]


def test_labels_that_came_with_answers_are_for_these() -> None:
    rows = [
        Question(str(place), "s", "Who?", (), ("Ann",), "test", "mine", None, "Ben", place == 1) for place in range(2)
    ]
    labels = labels_of(as_asked(rows), None)[1]
    assert labels is not None
    assert labels.tolist() == [0, 1]
    assert labels_of(with_answers(as_asked(rows), ["Ann", "Ann"]), None)[1] is None


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["a"], "`answers` to be 2 texts, one per question, but got 1"),
        (["a", "d"], "question '1' to be a letter from a to c or the text of one of its options, but got 'd'"),
        (["the red one", "b"], "question '0' to be a letter from a to b or the text"),
        (["a", ""], "nothing for question '1'"),
        ("reply", "the name of a column, but got a single text, 'reply'; the columns are question, choices"),
        (7, "a list of texts, one per question"),
    ],
)
def test_what_is_no_answer(answers: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        with_answers(as_asked(ROWS), answers)


@pytest.mark.parametrize(
    ("correct", "labels"),
    [
        ([1, 0], [1, 0]),
        ([True, np.False_], [1, 0]),
        (np.array([0.0, 1.0]), [0, 1]),
        (["true", "False"], [1, 0]),
        (pd.Series([1, None]), [1, math.nan]),
        ([-1, 1], [math.nan, 1]),
    ],
)
def test_labels(correct: Any, labels: list[float]) -> None:
    _, found = labels_of(as_asked(ROWS), correct)
    assert found is not None
    assert np.array_equal(found, labels, equal_nan=True)


@pytest.mark.parametrize(
    ("correct", "message"),
    [
        (None, "`correct` to be given, or `accepted` with each question, but got neither"),
        ([1], "2 labels or accepted answers, one per question, but got 1"),
        ([1, 2], "`correct` of question '1' to be 1, 0, true or false where others are.*but got 2"),
        ([0, "b"], "`correct` of question '1' to be 1, 0, true or false.*but got 'b'"),
        (["a", "the sea"], "what is accepted of question '1' to be a letter from a to c"),
        ([{"a": 1}, "b"], "`correct` is a mapping"),
    ],
)
def test_what_is_no_label(correct: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        labels_of(as_asked(ROWS), correct)


def test_answers_are_compared_with_what_is_accepted() -> None:
    choices = [one.question for one in labels_of(as_asked(ROWS), ["b", None])[0]]
    assert np.array_equal(grade(choices, ["(B)", "c"]), [1, np.nan], equal_nan=True)
    texts = [one.question for one in labels_of(as_asked(["Who?", "How many?"]), ["Shakespeare", ["8", "eight"]])[0]]
    assert grade(texts, ["It was Shakespeare.", "nine"]).tolist() == [1, 0]
