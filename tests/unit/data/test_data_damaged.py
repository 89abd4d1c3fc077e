"""Damaged files: whatever bit is flipped, what is read is right or refused in words."""

import io
import json
import random
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError, check
from ccps.data.rows import read_rows
from ccps.data.sources import Member
from ccps.settings.benchmark import BenchmarkSpec

ROWS = [{"question": f"How long is river {n}?", "answers": [f"{n} km", str(n)], "n": n} for n in range(40)]


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), out, write_page_checksum=True)
    return out.getvalue()


def arrow() -> bytes:
    out = io.BytesIO()
    table = pa.Table.from_pylist(ROWS)
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return out.getvalue()


def read(loader: str, name: str, data: bytes) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(loader, Member(PurePosixPath(name), None, data))]


def flipped(data: bytes, seed: int) -> bytes:
    """With one to four bits turned over, or cut short."""
    rng = random.Random(seed)
    if seed % 10 == 0:
        return data[: rng.randrange(len(data))]
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def test_what_is_whole_is_read() -> None:
    assert read("table", "x.parquet", parquet()) == ROWS
    assert read("arrow", "x.arrow", arrow()) == ROWS


def readings(loader: str, name: str, whole: bytes) -> tuple[list[list[dict[str, Any]]], int]:
    """What is read of 300 damaged copies of a file, and how many of them are refused by its name."""
    found, refused = [], 0
    for seed in range(300):
        try:
            found.append(read(loader, name, flipped(whole, seed)))
        except UserError as error:
            refused += name in str(error)
    return found, refused


def test_a_damaged_parquet_file_is_refused_or_read_right() -> None:
    found, refused = readings("table", "x.parquet", parquet())
    for rows in found:
        # Values are protected by checksums. That names and types are not shows where columns are asked for, and texts.
        if any(isinstance(value, bytes) for row in rows for value in row.values()):
            continue
        assert [list(row.values()) for row in rows] == [list(row.values()) for row in ROWS]
    assert refused > 100


def test_a_damaged_arrow_file_never_ends_in_anything_else() -> None:
    """It has no checksums: what is read may be wrong, but rows it is."""
    found, refused = readings("arrow", "x.arrow", arrow())
    assert all(isinstance(row, dict) for rows in found for row in rows)
    assert refused > 30


@pytest.mark.parametrize(
    ("loader", "name", "data"),
    [
        ("table", "x.jsonl", b'{"n": ' + b"9" * 5000 + b"}"),
        ("table", "x.jsonl", b'{"n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("table", "x.jsonl", b'{"n": "\xff"}'),
        ("table", "x.jsonl", b"[1, 2]"),
        ("table", "x.parquet", b""),
        ("table", "x.parquet", b"PAR1" * 3),
        ("table", "x.csv", b"a,b\n1,2,3\n"),
        ("table", "x.txt", b"a"),
        ("arrow", "x.arrow", b""),
        ("arrow", "x.arrow", b"\xff" * 100),
        ("requests", "x.jsonl.gz", b"no gzip"),
        ("requests", "x.jsonl.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00"),
    ],
)
def test_what_no_reader_reads(loader: str, name: str, data: bytes) -> None:
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        read(loader, name, data)


@pytest.mark.parametrize("row", [{"doc_id": "a", "doc": {}}, {"doc_id": 1, "doc": [1]}, {"doc_id": 1}, {"doc": {}}])
def test_requests_of_another_shape(row: dict[str, Any]) -> None:
    import gzip

    with pytest.raises(UserError, match="doc_id"):
        read("requests", "x.jsonl.gz", gzip.compress(json.dumps(row).encode()))


def spec(**values: Any) -> BenchmarkSpec:
    plain: dict[str, Any] = {"name": "x", "source": "file", "location": "x.csv", "question": "q", "answer": "a"}
    return BenchmarkSpec(**{**plain, "format": "oe", "answer_kind": "text", "loader": "table", **values})


@pytest.mark.parametrize(
    "values",
    [
        {"question": "{question"},
        {"question": "question}{"},
        {"question": "{}"},
        {"question": "{a} {}"},
        {"question": "{a!r}"},
        {"question": "{a:>10}"},
        {"subject": "{a"},
        {"asked": "{a:{b}}"},
        {"question_pattern": "("},
        {"question_pattern": "(" * 5000},
        {"keep_pattern": "a{99999999999999}"},
        {"name": "../x"},
        {"name": ""},
        {"name": "x\ny"},
    ],
    ids=lambda values: str(values)[:40],
)
def test_a_description_that_cannot_be_followed(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(values))):
        check(spec(**values))


@pytest.mark.parametrize("question", ["{0}", "{a.b} {{c}}", "a", "{question.__class__}"])
def test_a_template_that_names_columns(question: str) -> None:
    wanted = spec(question=question)
    check(wanted)
    assert wanted.question == question
