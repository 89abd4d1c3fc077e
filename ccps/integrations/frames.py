"""Results as Arrow, pandas or `datasets`: the tables of an experiment, or what a scorer has said."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from ccps.core.errors import expected

if TYPE_CHECKING:
    from datasets import Dataset

Results = str | Path | Sequence[Any]
_TYPES = {str: pa.string(), float: pa.float64(), bool: pa.bool_(), int: pa.int64()}


def as_arrow(results: Results, table: str = "results") -> pa.Table:
    """Results as a table of Arrow; what is missing is null, NaN too.

    Args:
        results: the folder of an experiment (`outputs/<experiment>`), or records such as `list[Confidence]`.
        table: which of the folder's `tables/<table>.csv`; of no meaning for records.

    Raises:
        UserError: no such folder or table, or no records, or records of several kinds.
    """
    return _of_folder(Path(results), table) if isinstance(results, str | Path) else _of_records(results)


def as_pandas(results: Results, table: str = "results") -> pd.DataFrame:
    """Results as a data frame of pandas, as `as_arrow` has them."""
    return as_arrow(results, table).to_pandas()


def as_dataset(results: Results, table: str = "results") -> "Dataset":
    """Results as a `datasets.Dataset`, as `as_arrow` has them."""
    from datasets import Dataset

    return Dataset(as_arrow(results, table))


def table_names(folder: str | Path) -> list[str]:
    """Which tables the folder of an experiment has."""
    return sorted(path.stem for path in (Path(folder) / "tables").glob("*.csv"))


def _of_folder(folder: Path, table: str) -> pa.Table:
    path, known = folder / "tables" / f"{table}.csv", table_names(folder)
    if table not in known:
        wanted = f"one of {', '.join(known)}" if known else "the folder of an experiment that has ended, with `tables/`"
        raise expected(f"{path}", wanted, "nothing there", "Correct the folder, or the name of the table.")
    return csv.read_csv(path, convert_options=csv.ConvertOptions(strings_can_be_null=True, null_values=[""]))


def _of_records(records: Sequence[Any]) -> pa.Table:
    kinds = {type(record) for record in records}
    if len(kinds) != 1 or not dataclasses.is_dataclass(next(iter(kinds))):
        got = ", ".join(sorted(kind.__name__ for kind in kinds)) or "none"
        raise expected("`results`", "records of one kind, at least one", got, "Pass what `score` returns.")
    kind: Any = next(iter(kinds))
    hints = get_type_hints(kind)
    schema = pa.schema([(field.name, _TYPES[hints[field.name]]) for field in dataclasses.fields(kind)])
    rows = [{name: _known(value) for name, value in vars(record).items()} for record in records]
    return pa.Table.from_pylist(rows, schema=schema)


def _known(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value
