"""Shards of an unfinished artifact that earlier code has written, with other columns than the code has now.

They come about where columns change and the answer to a question does not, so that the stage keeps its version.
"""

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ccps.core.artifacts import ROWS, Artifact


def odd_shards(artifact: Artifact, n_shards: int, written: Collection[int]) -> list[int]:
    """The shards whose rows have other columns than those that this run has written.

    Where it has written none, those count that were written last. What cannot be read is left to whoever checks it.

    Args:
        artifact: all of whose shards are there.
        n_shards: how many these are.
        written: those that this run has written.
    """
    rows = dict(enumerate(artifact.written(ROWS, range(n_shards))))
    columns = {index: found for index, path in rows.items() if (found := _columns(path)) is not None}
    known = [index for index in written if index in columns] or list(columns)
    if not known:
        return []
    reference = max(known, key=lambda index: rows[index].stat().st_mtime_ns)
    return [index for index, found in columns.items() if not found.equals(columns[reference])]


def _columns(rows: Path) -> pa.Schema | None:
    try:
        return pq.read_schema(rows)
    except (pa.ArrowException, OSError):  # no file, as of a stage that writes no rows, or one that is damaged
        return None
