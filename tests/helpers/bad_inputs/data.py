"""Files of questions that are not what they should be, by every loader."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bad_inputs import Act
from ccps.data.benchmarks import BenchmarkSpec, load_questions

ROW = {"question": "Which is red?", "a": "rose", "b": "grass", "answer": 0}
SPEC: dict[str, Any] = {
    "name": "own",
    "source": "file",
    "loader": "table",
    "question": "question",
    "options": ["a", "b"],
    "answer": "answer",
}
HEAD = b"question,a,b,answer\n"


def _read(write: Callable[[Path], object], name: str, **changes: Any) -> Act:
    def act(folder: Path) -> object:
        write(folder / name)
        return load_questions(BenchmarkSpec(**{**SPEC, "location": str(folder / name), **changes}))

    return act


def _lines(*rows: Any, **changes: Any) -> Act:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    return _read(lambda path: path.write_text(text), "own.jsonl", **changes)


def _row(row: dict[str, Any], **changes: Any) -> Act:
    return _lines({**ROW, **row}, **changes)


def _bytes(content: bytes, name: str, **changes: Any) -> Act:
    return _read(lambda path: path.write_bytes(content), name, **changes)


def _parquet(spoil: Callable[[bytes], bytes]) -> Act:
    def write(path: Path) -> None:
        pq.write_table(pa.Table.from_pylist([ROW] * 50), path)
        path.write_bytes(spoil(path.read_bytes()))

    return _read(write, "own.parquet")


def _columns(**columns: Any) -> Act:
    return _read(lambda path: pq.write_table(pa.table(columns), path), "own.parquet")


CASES: dict[str, Act] = {
    "a file that is not there": _read(lambda path: None, "own.jsonl"),
    "a folder where a file is wanted": _read(lambda path: path.mkdir(), "own.jsonl"),
    "an ending that no loader knows": _bytes(HEAD + b"q,x,y,0\n", "own.docx"),
    "an empty Parquet file": _bytes(b"", "own.parquet"),
    "no JSON": _lines("{question"),
    "a list for a line": _lines([1, 2]),
    "a number for a line": _lines(7),
    "half a line": _lines(json.dumps(ROW)[:-5]),
    "a deep nest": _lines("[" * 100_000),
    "an integer of thousands of digits": _lines('{"question": "q", "a": "x", "b": "y", "answer": ' + "9" * 6000 + "}"),
    "no question": _row({"question": None}),
    "an empty question": _row({"question": ""}),
    "a question that is a list": _row({"question": ["Which?"]}),
    "a question that is an object": _row({"question": {"stem": "Which?"}}),
    "half a surrogate pair": _lines('{"question": "Which \\ud83d?", "a": "x", "b": "y", "answer": 0}'),
    "an option that is a list": _row({"a": ["rose"]}),
    "an option that is an object": _row({"a": {"text": "rose"}}),
    "one option": _row({"b": None}),
    "an answer beyond the options": _row({"answer": 2}),
    "an answer before the options": _row({"answer": -1}),
    "an answer between the options": _row({"answer": 0.5}),
    "an answer that is a word": _row({"answer": "rose"}),
    "an answer that is a list": _row({"answer": [0]}),
    "no answer": _row({"answer": None}),
    "a letter beyond the options": _row({"answer": "Z"}, answer_kind="letter"),
    "a text that is no option": _row({"answer": "sky"}, answer_kind="text"),
    "a position of zero": _row({"answer": 0}, answer_kind="one_based_index"),
    "an answer that is not a number": _lines('{"question": "q", "a": "x", "b": "y", "answer": NaN}'),
    "a missing column": _lines({"question": "q", "answer": 0}),
    "a missing column of questions": _row({}, question="text"),
    "a way that ends": _row({}, question="question.text"),
    "a template of a missing column": _row({}, question="{context} {question}"),
    "a pattern that is never closed": _row({}, question="{question"),
    "a pattern that closes alone": _row({}, question="question}"),
    "a pattern of nothing": _row({}, question="{}"),
    "a pattern with a conversion": _row({}, question="{question!r}"),
    "a context that prints a list": _row({"context": "['a', 'b']"}, question="{context} {question}"),
    "a subject that prints a mapping": _row({"topic": "{'name': 'art'}"}, subject="topic"),
    "a turn that prints messages": _row({"turn": "[{'role': 'user', 'content': 'Red?'}]"}, asked="turn"),
    "options that print objects": _row({"a": "{'text': 'rose'}", "b": "{'text': 'grass'}"}),
    "options that print bytes": _row({"a": "b'rose'", "b": "b'grass'"}),
    "a question that shows nothing": _row({"question": "\u200b\ufeff"}),
    "an option that shows nothing": _row({"a": "\u2060"}),
    "an accepted answer that shows nothing": _row({"answer": "\u200b"}, options=[], format="oe", answer_kind="text"),
    "accepted answers without a value": _row({"answer": "['x', nan]"}, options=[], format="oe", answer_kind="text"),
    "accepted answers cut short": _row({"answer": "['x' ... 'y']"}, options=[], format="oe", answer_kind="text"),
    "a list in a .json file that ends too soon": _bytes(b'[{"question": "q"}', "own.json"),
    "a list of texts in a .json file": _bytes(b'["q", "r"]', "own.json"),
    "an empty .json file": _bytes(b"", "own.json"),
    "a header alone": _bytes(HEAD, "own.csv"),
    "a file of nothing": _bytes(b"", "own.csv"),
    "a record without a header": _bytes(b"q,x,y,0\n", "own.csv"),
    "Russian without an encoding": _bytes(HEAD + "Что красное?,роза,трава,0\n".encode("koi8-r"), "own.csv"),
    "a pattern that is none": _row({}, question_pattern="("),
    "a pattern without a group": _row({}, question_pattern="red"),
    "no options at all": _row({}, options=[]),
    "options twice": _row({}, option_texts=["x", "y"]),
    "labels that are not named": _row({}, answer_kind="label"),
    "labels that are not there": _row({}, answer_kind="label", labels="labels"),
    "no such loader": _row({}, loader="magic"),
    "no such source": _row({}, source="telepathy"),
    "no such encoding": _row({}, encoding="klingon"),
    "a delimiter of two characters": _row({}, delimiter="::"),
    "a label without an answer": _row({}, given_label="label"),
    "an answer given that is an object": _row({"said": {"text": "rose"}}, given_answer="said"),
    "a label that is a word": _row({"said": "a", "label": "perhaps"}, given_answer="said", given_label="label"),
    "two columns of one name": _bytes(b"question,a,a,answer\nq,x,y,0\n", "own.csv"),
    "more cells than the header": _bytes(HEAD + b"q,x,y,0,1\n", "own.csv"),
    "a quotation that does not end": _bytes(HEAD + b'"q,x,y,0\n', "own.csv"),
    "a CSV file of zeros": _bytes(b"\x00" * 64, "own.csv"),
    "lines that are no UTF-8": _bytes(b'{"question": "\xff\xfe", "a": "x", "b": "y", "answer": 0}\n', "own.jsonl"),
    "a Parquet file cut short": _parquet(lambda content: content[:-20]),
    "a Parquet file with another end": _parquet(lambda content: content[:-8] + b"\xff\xff\xff\x7fPAR1"),
    "a Parquet file with a spoilt footer": _parquet(lambda content: content[:-60] + bytes(52) + content[-8:]),
    "a Parquet file that is a text": _bytes(b"PAR1 and no more", "own.parquet"),
    "a Parquet column of bytes": _columns(question=[b"q"], a=["x"], b=["y"], answer=[0]),
    "a Parquet column of lists": _columns(question=[["q"]], a=["x"], b=["y"], answer=[0]),
    "a Parquet column of nothing": _columns(question=pa.nulls(1), a=["x"], b=["y"], answer=[0]),
}
