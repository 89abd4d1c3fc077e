from collections.abc import Callable

import pandas as pd

from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting
from ccps.analysis.shown import main_methods

HERE = Setting("lab/tiny_model", "MMLU-CHOICE")


def test_the_strongest_rival_is_drawn_in_full_beside_reference_and_own(make_data: Callable[..., ReportData]) -> None:
    data = make_data()
    tables = [data.results]
    for place in range(9):
        rows = data.results[data.results["method"] == "own"].assign(method=f"method_{place}")
        rows.loc[rows["metric"] == "brier", "value"] = 0.5 - place / 100
        tables.append(rows)
    many = make_data(results=pd.concat(tables), controls=["method_8"])
    assert main_methods(many, HERE) == ("ccps", "own", "method_7")
    assert main_methods(make_data(own_method=None), HERE) == ("ccps", "own")
