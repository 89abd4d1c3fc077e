"""Lists, tables and files of questions."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from datasets import Dataset
from two_questions import ROWS

from ccps.core.errors import UserError
from ccps.scorer.answers import labels_of, with_answers
from ccps.scorer.questions import as_asked

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


def test_nothing_in_a_cell_is_no_option() -> None:
    table = pd.DataFrame({"text": ["Who?", "What?"], "options": [None, math.nan]})
    assert [one.question.options for one in as_asked(table)] == [(), ()]


def test_a_file_without_questions(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("topic,right\nrivers,a\n")
    with pytest.raises(
        UserError, match="a column called text, question, prompt or messages, but got the columns topic"
    ):
        as_asked(tmp_path / "q.csv")
