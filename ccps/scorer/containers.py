"""The single questions of what holds several: a list, a table, a data set, a file."""

import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ccps.core.errors import expected
from ccps.core.places import local_path
from ccps.data.records import Question
from ccps.data.rows import TableFormat, read_rows
from ccps.data.sources import Member
from ccps.scorer.conversations import MESSAGES, is_message
from ccps.scorer.items import KEYS, TEXT

FILES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")


def listed_questions(questions: object) -> list[Any]:
    """The single questions, as they are.

    Raises:
        UserError: it is a single one, or a file that cannot be read.
    """
    way_out = "Pass a list of questions, a table, or the path of a .csv, .tsv, .jsonl, .json or .parquet file."
    if isinstance(questions, str | Path):
        if Path(questions).suffix.lower() in FILES:
            return _of_file(local_path(questions))
        raise expected("`questions`", "several", "a single text", way_out)
    if isinstance(questions, Mapping) or questions is None:
        kind = "nothing" if questions is None else "a single mapping"
        raise expected("`questions`", "several", kind, way_out)
    if hasattr(questions, "to_pylist"):  # of Arrow
        return _rows(questions.to_pylist())
    if hasattr(questions, "to_dicts"):  # of polars
        return _rows(questions.to_dicts())
    if hasattr(questions, "to_dict") and hasattr(questions, "columns"):  # of pandas
        return _rows(questions.to_dict("records"))
    if hasattr(questions, "tolist"):  # a column of a table
        questions = questions.tolist()
    if isinstance(questions, str | bytes | Question) or not hasattr(questions, "__iter__"):
        raise expected("`questions`", "several", f"a {type(questions).__name__}", way_out)
    listed = list(questions)
    if listed and all(is_message(item) for item in listed):
        raise expected("`questions`", "a list of questions", "a single conversation", "Put it into a list.")
    return listed


def _of_file(path: Path) -> list[Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise expected(f"`{path}`", "a file of questions", error.strerror, "Correct the path.") from error
    member = Member(PurePosixPath(path.as_posix()), None, content)
    rows = [row for _, row in read_rows("table", member, TableFormat(columns=KEYS))]
    if rows and not any(name in rows[0] for name in (*TEXT, MESSAGES)):
        raise expected(
            f"`{path}`",
            f"a table with a column called {', '.join(TEXT)} or {MESSAGES}",
            f"the columns {', '.join(map(str, list(rows[0])[:10]))}",
            "Rename the column of the questions.",
        )
    return _rows(rows)


def _rows(rows: list[Any]) -> list[Any]:
    """Rows of a table, in which NaN and empty cells are what is not there."""
    return [
        {name: one for name, one in row.items() if not _is_missing(one)} if isinstance(row, dict) else row
        for row in rows
    ]


def _is_missing(value: object) -> bool:
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or type(value).__name__ in ("NAType", "NaTType")
    )
