"""Questions, answers and labels as people have them."""

import doctest
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from datasets import Dataset

from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.scorer import answers as of_answers
from ccps.scorer import deciding, records
from ccps.scorer import questions as of_questions
from ccps.scorer.answers import grade, labels_of, with_answers
from ccps.scorer.questions import as_asked

ROWS = [
    {"question": "Red or blue?", "choices": ["red", "blue"], "right": "blue", "said": "a", "ok": 0},
    {"question": "Tree or stone?", "choices": ["tree", "stone", "sea"], "right": "c", "said": "Stone", "ok": 1},
]
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Yes?"},
    {"role": "user", "content": [{"type": "text", "text": "Who wrote "}, {"type": "text", "text": "Hamlet?"}]},
]
TABLES: dict[str, Callable[[Path], Any]] = {
    "a list of mappings": lambda _: ROWS,
    "pandas": lambda _: pd.DataFrame(ROWS),
    "Arrow": lambda _: pa.Table.from_pylist(ROWS),
    "a data set": lambda _: Dataset.from_list(ROWS),
    "a CSV file": lambda folder: _written(folder / "q.csv", lambda path: pd.DataFrame(ROWS).to_csv(path, index=False)),
    "a Parquet file": lambda folder: _written(folder / "q.parquet", lambda path: pd.DataFrame(ROWS).to_parquet(path)),
    "JSON lines": lambda folder: str(
        _written(folder / "q.jsonl", lambda path: pd.DataFrame(ROWS).to_json(path, orient="records", lines=True))
    ),
    "a list in JSON": lambda folder: _written(
        folder / "q.json", lambda path: pd.DataFrame(ROWS).to_json(path, orient="records")
    ),
}


def _written(path: Path, write: Any) -> Path:
    write(path)
    return path


@pytest.mark.parametrize("kind", TABLES)
def test_all_tables_hold_the_same_questions(kind: str, tmp_path: Path) -> None:
    asked = as_asked(TABLES[kind](tmp_path))
    assert [one.question.text for one in asked] == ["Red or blue?", "Tree or stone?"]
    assert [one.question.options for one in asked] == [("red", "blue"), ("tree", "stone", "sea")]
    assert [one.question.id for one in asked] == ["0", "1"]
    known, labels = labels_of(asked, "right")
    assert [one.question.accepted for one in known] == [("b",), ("c",)]
    assert labels is None
    assert [one.question.given_answer for one in with_answers(known, "said")] == ["a", "b"]
    marks = labels_of(asked, "ok")[1]
    assert marks is not None
    assert marks.tolist() == [0, 1]


def test_texts_and_a_column_of_them() -> None:
    for questions in (["Who?", "What?"], ("Who?", "What?"), pd.Series(["Who?", "What?"]), pa.array(["Who?", "What?"])):
        asked = as_asked(questions)
        assert [one.question.text for one in asked] == ["Who?", "What?"]
        assert asked[1].conversation("system")[1]["content"] == "Question: What?\nAnswer:"


def test_a_conversation_is_put_word_for_word() -> None:
    for item in (TALK, {"messages": TALK, "id": "h"}):
        [one] = as_asked([item])
        assert one.question.text == "Who wrote Hamlet?"
        assert [turn["role"] for turn in one.conversation("system")] == ["system", "user", "assistant", "user"]
        assert one.conversation("system")[3]["content"] == "Who wrote Hamlet?"
        first, *rest = one.conversation("prepend")
        assert first == {"role": "user", "content": "Be brief.\n\nHello."}
        assert len(rest) == 2


def test_a_context_stands_before_the_question() -> None:
    [one] = as_asked([{"text": "Where?", "context": "In Rome.", "id": 7}])
    assert one.question.text == "In Rome.\n\nWhere?"
    assert one.question.id == "7"


@pytest.mark.parametrize(
    "row",
    [
        {"text": "Who?", "question": " Who? "},
        {"prompt": "Q: Who?", "text": "Q: Who?"},
        {"messages": [{"role": "user", "content": "Who?"}], "question": "Who?"},
        {"text": "Who?", "options": ["a", "b"], "choices": ("a", "b")},
    ],
)
def test_what_is_said_twice_in_the_same_words_is_asked(row: dict[str, Any]) -> None:
    assert as_asked([row])[0].question.text.strip().endswith("Who?")


def test_an_answer_that_is_a_letter_and_the_text_of_another_option_is_refused() -> None:
    asked = as_asked([{"text": "Which grade?", "options": ["C", "B", "A"]}])
    with pytest.raises(UserError, match=r"'A', which is both\. Write \(a\) or \(c\)"):
        with_answers(asked, ["A"])
    assert [with_answers(asked, [said])[0].question.given_answer for said in ("(a)", "b")] == ["a", "b"]


def test_records_of_the_house_stay_as_they_are() -> None:
    question = Question("q", "s", "Who?", (), ("Ann",), "test", "mine")
    assert as_asked([question])[0].question == question
    [known], labels = labels_of(as_asked([question]), None)
    assert (known.question.accepted, labels) == (("Ann",), None)


def test_labels_that_came_with_answers_are_for_these() -> None:
    rows = [
        Question(str(place), "s", "Who?", (), ("Ann",), "test", "mine", None, "Ben", place == 1) for place in range(2)
    ]
    labels = labels_of(as_asked(rows), None)[1]
    assert labels is not None
    assert labels.tolist() == [0, 1]
    assert labels_of(with_answers(as_asked(rows), ["Ann", "Ann"]), None)[1] is None


def test_nothing_in_a_cell_is_no_option() -> None:
    table = pd.DataFrame({"text": ["Who?", "What?"], "options": [None, math.nan]})
    assert [one.question.options for one in as_asked(table)] == [(), ()]


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        (None, "`questions` to be several, but got nothing"),
        ("Who?", "several, but got a single text"),
        (7, "several, but got a int"),
        ("nowhere.csv", "a file of questions, but got No such file"),
        (TALK, "a list of questions, but got a single conversation"),
        ([TALK[:3]], "ends with that of the assistant"),
        ([[{"role": "robot", "content": "x"}]], "among system, user, assistant, but got 'robot'"),
        ([[*TALK, TALK[0], TALK[1]]], "one with a later system message"),
        ([{"messages": "Who?"}], "`messages` is the text 'Who\\?'"),
        ([{"messages": [{"role": "user", "content": [{"type": "image"}]}]}], r"`content` is a mapping"),
        (["Who?", {"text": "Red?", "options": ["a", "b"]}], "question '1' to be without options: so is the first"),
        ([{"text": "Red?", "options": ["a", "b"]}, "Who?"], "`options` of question '1'.*Fit multiple choice and open"),
        ([{"right": "a"}], "question '0' to be one with a `text`"),
        ([{"text": "Who?", "question": "What?"}], "`text` or `question`, but got both, which differ: 'What\\?'"),
        ([{"question": "Who?", "prompt": "Answer briefly."}], "`question` or `prompt`, but got both"),
        ([{"messages": TALK, "text": "Who?"}], "`messages` or `text`, but got both"),
        ([{"messages": TALK, "context": "In 1600."}], "`messages` or `context`, but got both"),
        ([{"text": "Red?", "options": ["a", "b"], "choices": ["a", "c"]}], "`options` or `choices`, but got both"),
    ],
)
def test_what_is_no_question(questions: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        as_asked(questions)


def test_a_file_without_questions(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("topic,right\nrivers,a\n")
    with pytest.raises(
        UserError, match="a column called text, question, prompt or messages, but got the columns topic"
    ):
        as_asked(tmp_path / "q.csv")


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


@pytest.mark.parametrize("module", [of_questions, of_answers, records, deciding])
def test_the_examples_are_true(module: ModuleType) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed


@pytest.mark.parametrize("text", ["nan", "None", " null ", "N/A", "<NA>", "#REF!"])
def test_nothing_written_as_text_is_no_question(text: str) -> None:
    with pytest.raises(UserError, match="question 0 to be one whose fields are texts"):
        as_asked([{"text": text}])
    assert as_asked([{"text": "Q?", "options": [text, "x"]}])[0].question.options[0] == text


def test_labels_of_options_must_be_in_order() -> None:
    options = {"text": ["x", "y"], "label": ["A", "B"]}
    assert as_asked([{"text": "Q?", "options": options}])[0].question.options == ("x", "y")
    with pytest.raises(UserError, match="labelled b, a, not in order"):
        as_asked([{"text": "Q?", "options": options | {"label": ["B", "A"]}}])
