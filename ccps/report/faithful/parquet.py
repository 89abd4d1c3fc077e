"""Write the traces and steps of a report of faithfulness, of which only one run at a time is held in memory."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ccps.analysis.faithful_data import PLACE_COLUMNS, FaithfulCell, Texts

# Of some runs nothing is known of these, which leaves them without a type.
_TRUTHS = ("correct", "ended")


def write_parquet(cells: Sequence[FaithfulCell], name: Texts, path: Path) -> Path:
    """Write the rows of all runs with model, dataset and prompt in front.

    Columns are those of any run, null in a run that lacks them; a missing number is null as well, and true, false and
    unknown stay three values.

    Raises:
        pyarrow.ArrowException: a column holds texts in one run and numbers in another.
    """
    schema = pa.unify_schemas([_rows(cell, name).schema for cell in cells], promote_options="permissive")
    with pq.ParquetWriter(path, schema) as writer:
        for cell in cells:
            writer.write_table(_fitted(_rows(cell, name), schema))
    return path


def _rows(cell: FaithfulCell, name: Texts) -> pa.Table:
    rows = pa.Table.from_pandas(cell.texts(name), preserve_index=False).replace_schema_metadata()
    for column in _TRUTHS:
        if column in rows.column_names:
            place = rows.column_names.index(column)
            rows = rows.set_column(place, column, rows[column].cast(pa.bool_()))
    for place, (column, value) in enumerate(zip(PLACE_COLUMNS, cell.names, strict=True)):
        rows = rows.add_column(place, column, pa.repeat(value, len(rows)))
    return rows


def _fitted(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with all columns of a schema."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
