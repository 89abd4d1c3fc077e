"""Tables of a report that lack a column are refused by name; what is reported of seeds is told apart."""

from typing import Any

import pandas as pd
import pytest
from sweep_tables import sweep_data

from ccps.analysis.data import apart, ordered_methods
from ccps.analysis.records import (
    DROP_COLUMNS,
    SHAP_COLUMNS,
    SHARED_COLUMNS,
    TRANSFER_COLUMNS,
    Audit,
    Importance,
)
from ccps.analysis.sweep_data import Place
from ccps.methods.base import ALL_SEEDS


@pytest.mark.parametrize(
    ("record", "name", "columns"),
    [
        (Audit, "shared", SHARED_COLUMNS),
        (Audit, "transfer", TRANSFER_COLUMNS),
        (Importance, "shap", SHAP_COLUMNS),
        (Importance, "drops", DROP_COLUMNS),
    ],
)
def test_a_table_that_lacks_a_column_is_refused_by_name(record: Any, name: str, columns: tuple[str, ...]) -> None:
    where = rf"Expected `{record.__name__.lower()}\.{name}` to have the columns .*, but it lacks"
    assert getattr(record(), name).empty
    assert record(**{name: pd.DataFrame(columns=[*columns, "reason"])})
    for column in columns:
        with pytest.raises(ValueError, match=rf"{where} \['{column}'\]"):
            record(**{name: pd.DataFrame(columns=[one for one in columns if one != column])})


def test_rows_of_all_seeds_together_are_reported_and_the_single_seeds_kept_behind_them() -> None:
    rows = [
        ("m", "b", "probe", 0, 0.1),
        ("m", "b", "probe", 1, 0.2),
        ("m", "b", "probe", ALL_SEEDS, 0.3),
        ("m", "b", "own", None, 0.4),
        ("m", "c", "probe", 0, 0.5),  # nobody has put these together
        ("m", "c", "probe", 1, 0.6),
    ]
    table = pd.DataFrame(rows, columns=["model", "benchmark", "method", "seed", "value"])
    table["seed"] = table["seed"].astype("Int64")
    reported, single = apart(table)
    assert reported["value"].tolist() == [0.3, 0.4, 0.5, 0.6]
    assert single["value"].tolist() == [0.1, 0.2]
    for part in (reported, single):
        assert list(part.columns) == list(table.columns)
        assert part.index.tolist() == list(range(len(part)))


def test_methods_come_in_the_order_of_a_table_the_reference_first_and_controls_last() -> None:
    results = pd.DataFrame({"method": ["shuffled", "own", "ccps", "own", "probe", "constant", "ccps"]})
    controls = ("constant", "shuffled")
    assert ordered_methods(results, "ccps", controls) == ("ccps", "own", "probe", "shuffled", "constant")
    assert ordered_methods(results, "none") == ("shuffled", "own", "ccps", "probe", "constant")


def test_places_of_a_sweep_are_named_once_in_order() -> None:
    sweep = sweep_data()
    flips = pd.concat([sweep.flips.assign(benchmark="ants"), sweep.flips, sweep.flips.assign(model="n")])
    found = sweep_data(flips=flips).places
    assert found == [Place("m", "ants"), Place("m", "boats"), Place("n", "boats")]
    rows = sweep.at(Place("m", "boats"))
    assert len(rows) > 0
    assert set(rows["benchmark"]) == {"boats"}
    assert sweep.at(Place("n", "boats")).empty
