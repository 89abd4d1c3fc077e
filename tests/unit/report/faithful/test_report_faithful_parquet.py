import gc
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faithful_cells import cell, data, empty_cell, steps, traces

from ccps.analysis.faithful_data import FaithfulData
from ccps.report.faithful.parquet import write_parquet
from ccps.report.faithful.write import write_faithful


def test_a_column_that_a_run_lacks_is_null_there(tmp_path: Path) -> None:
    other = cell(dataset="aime", estimators=("deepconf",), steps=steps().drop(columns="rcc").assign(n_tokens=[1, 2, 3]))
    path = write_parquet([cell(), other], "steps", tmp_path / "steps.parquet")
    table = pq.read_table(path)
    assert table.column_names[:5] == ["model", "dataset", "prompt", "trace_id", "step"]
    assert table["dataset"].to_pylist() == ["gsm8k"] * 3 + ["aime"] * 3
    assert table["rcc"].to_pylist() == [0.3, None, 0.85, None, None, None]
    assert table["n_tokens"].to_pylist() == [None, None, None, 1, 2, 3]
    assert table["text"].to_pylist() == [*steps()["text"]] * 2


def test_types_that_only_one_run_knows_hold_for_all(tmp_path: Path) -> None:
    # Of the run with one trace neither answer nor mark is known, and its numbers are whole.
    unknown = empty_cell(dataset="a", traces=traces().iloc[2:].assign(p_true=1))
    known = cell(traces=traces().assign(p_true=[0.5, np.nan, 0.25]))
    table = pq.read_table(write_parquet([unknown, known, empty_cell(dataset="b")], "traces", tmp_path / "t.parquet"))
    assert table["correct"].to_pylist() == [None, True, False, None, None]
    assert table.schema.field("correct").type == pa.bool_()
    assert table["answer"].to_pylist() == [None, "7", "<i>no</i>", None, None]
    assert table["p_true"].to_pylist() == [1, 0.5, None, 0.25, None]
    alone = pq.read_table(write_parquet([unknown], "traces", tmp_path / "t.parquet"))
    assert alone.schema.field("correct").type == pa.bool_()


def test_a_run_without_rows_leaves_the_others(tmp_path: Path) -> None:
    none = pd.DataFrame(columns=[*steps().columns])
    path = write_parquet([empty_cell(dataset="a", steps=none), cell()], "steps", tmp_path / "steps.parquet")
    assert pq.read_table(path).num_rows == 3
    path = write_parquet([empty_cell(steps=none)], "steps", tmp_path / "steps.parquet")
    assert pq.read_table(path).num_rows == 0


class Shelf:
    """Loads tables, and refuses to while one of another run is still held."""

    def __init__(self) -> None:
        self.loaded: list[tuple[str, weakref.ref[pd.DataFrame]]] = []

    def load(self, run: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        gc.collect()
        held = {name for name, table in self.loaded if table() is not None}
        assert held <= {run}
        table = make()
        self.loaded.append((run, weakref.ref(table)))
        return table


def test_tables_that_are_loaded_are_held_of_one_run_at_a_time(tmp_path: Path) -> None:
    shelf, names = Shelf(), ("a", "b")

    def runs(of: Callable[[str, Callable[[], pd.DataFrame]], Any]) -> FaithfulData:
        """Without figures, which take time."""
        own = [(name, of(name, traces), of(name, steps)) for name in names]
        return data(*(empty_cell(dataset=name, traces=one, steps=two, worst=("t2", "t1")) for name, one, two in own))

    lazy = runs(lambda name, make: partial(shelf.load, name, make))
    assert not shelf.loaded
    paths = write_faithful(lazy, tmp_path / "lazy")
    assert {name for name, _ in shelf.loaded} == set(names)
    plain = write_faithful(runs(lambda _, make: make()), tmp_path / "plain")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in plain]


def test_a_table_that_lacks_a_column_is_refused_when_it_is_loaded() -> None:
    own = cell(steps=lambda: steps().drop(columns="rcc"))
    with pytest.raises(ValueError, match=r"lacks \['rcc'\]"):
        own.texts("steps")
