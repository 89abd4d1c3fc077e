"""Records out of a benchmark's files, each with a label ("row 3", "line 7") for messages."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ccps.core.errors import UserError
from ccps.data.sources import Member

Row = tuple[str, dict[str, Any]]

# In requests files a document comes a second time, its id raised by this much, when its options were also
# scored without the question.
UNCONDITIONED = 1_000_000


def read_rows(loader: str, member: Member) -> Iterator[Row]:
    """Yield the records of one file.

    Args:
        loader: "arrow", "requests" or "table".
        member: the file.

    Raises:
        UserError: the file is not what the loader reads.
    """
    readers = {"arrow": _arrow, "requests": _requests, "table": _table}
    try:
        yield from readers[loader](member)
    except (pa.ArrowInvalid, gzip.BadGzipFile, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"Expected {member.path} to be readable by the loader `{loader}`, but got: {error}. "
            f"Correct `loader`, or replace the file."
        ) from error


def _arrow(member: Member) -> Iterator[Row]:
    with pa.ipc.open_stream(pa.BufferReader(member.data)) as stream:
        yield from _numbered(stream.read_all())


def _requests(member: Member) -> Iterator[Row]:
    """One document per id: the rows of its options repeat it."""
    documents: dict[int, dict[str, Any]] = {}
    for line, row in _json_lines(gzip.decompress(member.data), member):
        try:
            key, document = row["doc_id"] % UNCONDITIONED, row["doc"]
        except KeyError as error:
            raise UserError(
                f"Expected every row of {member.path} to have `doc_id` and `doc`, but got {line} without "
                f"{error}. Correct `loader`, or replace the file."
            ) from error
        if documents.setdefault(key, document) != document:
            raise UserError(
                f"Expected all rows of a document in {member.path} to agree, but got another text for doc_id "
                f"{key} at {line}. Replace the file."
            )
    for key, document in documents.items():
        yield f"doc_id {key}", document


def _table(member: Member) -> Iterator[Row]:
    match member.path.suffix:
        case ".csv":
            # Everything stays text: "NA" and "None" are options, not missing values.
            reader = csv.DictReader(io.StringIO(member.data.decode("utf-8-sig"), newline=""), strict=True)
            for row in reader:
                if None in row:
                    raise csv.Error(f"line {reader.line_num} has more cells than the header")
                yield f"line {reader.line_num}", dict(row)
        case ".jsonl":
            yield from _json_lines(member.data, member)
        case ".parquet":
            yield from _numbered(pq.read_table(pa.BufferReader(member.data)))
        case other:
            raise UserError(
                f"Expected {member.path} to end in .csv, .jsonl or .parquet, but got {other!r}. Correct "
                f"`member` or `location`, or choose another `loader`."
            )


def _json_lines(data: bytes, member: Member) -> Iterator[Row]:
    for number, line in enumerate(data.decode("utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"Expected line {number} of {member.path} to be JSON, but got: {error}. Correct the line."
            ) from error
        if not isinstance(row, dict):
            raise UserError(
                f"Expected line {number} of {member.path} to be a JSON object, but got {line[:60]!r}. Correct the line."
            )
        yield f"line {number}", row


def _numbered(table: pa.Table) -> Iterator[Row]:
    for number, row in enumerate(table.to_pylist()):
        yield f"row {number}", row
