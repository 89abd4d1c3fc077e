"""Files of questions as people have them, read as the scorer wants them, and shown before."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ccps.cli.commands.fit import labels_of
from ccps.cli.questions import Table, add_data, read_table
from ccps.core.errors import UserError


def read(path: Path, *flags: str, labelled: bool = True) -> Table:
    parser = ArgumentParser()
    add_data(parser)
    return read_table(parser.parse_args(["--data", str(path), *flags]), labelled=labelled)


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_spreadsheet_with_letters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(
        tmp_path / "mine.csv", "Question;A;B;C;Right", "Which river?;Elbe;Rhine;Main;b", "And which?;Ems;Oder;;A"
    )
    table = read(file)
    assert [one.text for one in table.questions] == ["Which river?", "And which?"]
    assert [one.options for one in table.questions] == [("Elbe", "Rhine", "Main"), ("Ems", "Oder")]
    assert [one.accepted for one in table.questions] == [("b",), ("a",)]
    assert (table.given, table.verdicts, table.kind) == (None, None, "letter")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"{file}: 2 rows, read as",
        "  question  Question",
        "  options   A, B, C",
        "  right     Right (a letter)",
    ]


def test_rows_as_the_hub_has_them(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "x", "question": "Which?", "choices": {"text": ["p", "q"], "label": ["1", "2"]}, "answerKey": "2"},
        {"id": "y", "question": "And?", "choices": {"text": ["r", "s"], "label": ["A", "B"]}, "answerKey": "A"},
    ]
    written(tmp_path / "arc.jsonl", *(json.dumps(row) for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "arc.parquet")
    written(tmp_path / "arc.json", json.dumps(rows, indent=1))
    for name in ("arc.jsonl", "arc.json", "arc.parquet"):
        table = read(tmp_path / name)
        assert [one.accepted for one in table.questions] == [("b",), ("a",)]
        assert [one.options for one in table.questions] == [("p", "q"), ("r", "s")]


def test_open_answers_are_all_accepted_and_derivations_end_with_theirs(tmp_path: Path) -> None:
    lists = written(
        tmp_path / "a.jsonl", '{"question": "Who?", "answer": {"aliases": ["Ada", "A. L."], "value": "Ada"}}'
    )
    assert [one.accepted for one in read(lists).questions] == [("Ada", "A. L.")]
    sums = written(tmp_path / "gsm.jsonl", json.dumps({"question": "How many?", "answer": "6 * 12 = 72\n#### 72"}))
    assert [one.accepted for one in read(sums).questions] == [("72",)]


def test_a_log_has_answers_and_verdicts(tmp_path: Path) -> None:
    file = written(tmp_path / "log.csv", "prompt,response,is_correct", "Who?,Ada,1", "When?,1843,false", "Where?,here,")
    table = read(file)
    assert [one.text for one in table.questions] == ["Who?", "When?", "Where?"]
    assert table.given == ["Ada", "1843", "here"]
    labels = labels_of(table)
    assert labels is not None
    assert labels[:2] == [1, 0]
    assert labels[2] != labels[2]


def test_what_is_right_must_be_known_to_fit_and_need_not_to_score(tmp_path: Path) -> None:
    file = written(tmp_path / "q.csv", "question,option_a,option_b", "Which?,this,that")
    with pytest.raises(UserError, match="what is right, but got none of question, option_a, option_b"):
        read(file)
    table = read(file, labelled=False)
    assert [(one.text, one.options, one.accepted) for one in table.questions] == [("Which?", ("this", "that"), ())]


def test_flags_settle_what_is_not_clear(tmp_path: Path) -> None:
    file = written(tmp_path / "q.csv", "question,prompt,choices,answer", "x,Which?,\"['p','q','r']\",1")
    with pytest.raises(UserError, match="question and prompt"):
        read(file)
    with pytest.raises(UserError, match="index or one_based_index"):
        read(file, "--question", "prompt")
    table = read(file, "--question", "prompt", "--answer-kind", "one_based_index")
    assert [(one.text, one.accepted) for one in table.questions] == [("Which?", ("a",))]


def test_a_question_that_stands_twice_is_asked_twice(tmp_path: Path) -> None:
    """Each row has its own answer and verdict."""
    file = written(tmp_path / "log.csv", "question,answer,response", "Who?,Ada,Ada", "Who?,Ada,Bob")
    table = read(file)
    assert (len(table.questions), table.given) == (2, ["Ada", "Bob"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["question,answer"], "no row"),
        (["question,answer", ",Ada"], "the question is empty"),
        (["question,answer,response", "Who?,Ada,"], "Expected every `response` to be an answer"),
    ],
)
def test_rows_that_are_no_questions_are_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(written(tmp_path / "q.csv", *lines))


def test_unlabelled_rows_that_are_no_questions_are_named(tmp_path: Path) -> None:
    file = written(tmp_path / "q.csv", "question,option_a,option_b", "Which?,this,that", "Which?,this,")
    with pytest.raises(UserError, match="row 2: only one option"):
        read(file, labelled=False)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing there"):
        read(tmp_path / "none.csv")
