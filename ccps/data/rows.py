"""Records out of a benchmark's files, each with a label ("row 3", "line 7") for messages."""

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ccps.core.errors import UserError
from ccps.data.class_labels import features_in, with_names
from ccps.data.inspect_log import read_log
from ccps.data.lm_eval import read_samples
from ccps.data.sources import Member
from ccps.data.tables import AUTO, Row, decode, read_csv
from ccps.data.values import each_once

# In requests files a document comes a second time, its id raised by this much, when its options were also
# scored without the question.
UNCONDITIONED = 1_000_000

# A damaged file makes readers fail in ways of their own: sizes that no memory holds, keys that are not there.
_DAMAGED = (
    pa.ArrowException,
    csv.Error,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    MemoryError,
    ArithmeticError,
    RecursionError,
)


class TableFormat(NamedTuple):
    """How a table is written down, see `BenchmarkSpec`."""

    columns: Sequence[str] = ()
    encoding: str = AUTO
    delimiter: str = AUTO
    header: bool | None = None


def read_rows(
    loader: str, member: Member, table: TableFormat | None = None, where: Mapping[str, str] | None = None
) -> Iterator[Row]:
    """Yield the records of one file.

    Args:
        loader: "arrow", "requests", "table", "lm_eval" or "inspect".
        member: the file.
        table: how a table is written down, by default found out.
        where: columns and values by which records are chosen afterwards, for what a file may hold in several versions.

    Raises:
        UserError: the file is not what the loader reads.
    """
    readers: Mapping[str, Callable[[Member], Iterator[Row]]] = {
        "arrow": _arrow,
        "requests": _requests,
        "table": partial(_table, table=table or TableFormat()),
        "lm_eval": lambda file: read_samples(_json_lines(file.data, file), file.path, where or {}),
        "inspect": lambda file: read_log(file.data, file.path),
    }
    try:
        yield from readers[loader](member)
    except _DAMAGED as error:
        raise UserError(
            f"Expected {member.path} to be readable by the loader `{loader}`, but got: {_one_line(error)}. "
            f"Correct `loader`, or replace the file."
        ) from error


def _arrow(member: Member) -> Iterator[Row]:
    with pa.ipc.open_stream(pa.BufferReader(member.data)) as stream:
        yield from numbered(stream.read_all())


def _requests(member: Member) -> Iterator[Row]:
    """One document per id: the rows of its options repeat it."""
    documents: dict[int, dict[str, Any]] = {}
    for line, row in _json_lines(gzip.decompress(member.data), member):
        if not isinstance(row.get("doc_id", 0), int) or not isinstance(row.get("doc", {}), dict):
            raise UserError(
                f"Expected `doc_id` of {member.path} to be a whole number and `doc` an object, but got others at "
                f"{line}. Correct `loader`, or replace the file."
            )
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


def _table(member: Member, table: TableFormat) -> Iterator[Row]:
    match member.path.suffix.lower():
        case ".csv" | ".tsv":
            text = decode(member.data, table.encoding, str(member.path))
            yield from read_csv(text, table.columns, table.delimiter, table.header)
        case ".jsonl":
            yield from _json_lines(member.data, member, table.encoding)
        case ".parquet":
            yield from numbered(_parquet(member.data, table.columns))
        case ".json":
            yield from _json(member, table.encoding)
        case other:
            raise UserError(
                f"Expected {member.path} to end in .csv, .tsv, .jsonl, .json or .parquet, but got {other!r}. Correct "
                f"`member` or `location`, or choose another `loader`."
            )


def _parquet(data: bytes, columns: Sequence[str]) -> pa.Table:
    """The columns that are asked for, if all are there: others may hold pictures."""
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    names = file.schema_arrow.names
    needed = {column if column in names else column.partition(".")[0] for column in columns}
    chosen = [name for name in names if name in needed] if needed and needed <= set(names) else None
    return file.read(columns=chosen)


def _json(member: Member, encoding: str) -> Iterator[Row]:
    """A list of objects, or an object per line."""
    text = decode(member.data, encoding, str(member.path), guess=False)
    if not text.lstrip().startswith("["):
        yield from _json_lines(member.data, member, encoding)
        return
    for number, row in enumerate(json.loads(text, object_pairs_hook=each_once)):
        if not isinstance(row, dict):
            raise ValueError(f"item {number} of its list is {json.dumps(row)[:60]}, and no object")
        yield f"item {number}", row


def _json_lines(data: bytes, member: Member, encoding: str = AUTO) -> Iterator[Row]:
    for number, line in enumerate(decode(data, encoding, str(member.path), guess=False).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=each_once)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"Expected line {number} of {member.path} to be JSON, but got: {_one_line(error)}. Correct the line."
            ) from error
        if not isinstance(row, dict):
            raise UserError(
                f"Expected line {number} of {member.path} to be a JSON object, but got {line[:60]!r}. Correct the line."
            )
        yield f"line {number}", row


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def numbered(table: pa.Table) -> Iterator[Row]:
    """The rows of a table, each with its number.

    Raises:
        ValueError: two columns have one name.
        pa.ArrowException: it is damaged.
    """
    table.validate(full=True)  # what a damaged file says of lengths and offsets would be believed
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise ValueError(f"two columns called `{twice[0]}`, of which one would be lost: rename them")
    features = features_in(table.schema.metadata)
    for number, row in enumerate(table.to_pylist()):
        written = {name: as_written(row[name], table.schema.field(name).type) for name in row}
        yield f"row {number}", {name: with_names(value, features.get(name)) for name, value in written.items()}


def as_written(value: Any, kind: pa.DataType) -> Any:
    """A value of a table, where narrow floats are the numbers they stand for.

    In single precision 0.1 is another number, of seventeen digits, but nobody has written those.
    """
    if value is None:
        return None
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return float(str(kind.to_pandas_dtype()(value)))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [as_written(one, kind.value_type) for one in value]
    if pa.types.is_struct(kind):
        return {field.name: as_written(value[field.name], field.type) for field in kind if field.name in value}
    return value
