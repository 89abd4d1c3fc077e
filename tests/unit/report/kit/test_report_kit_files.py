"""Tables that no spreadsheet runs, and that come back as they were."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ccps.report.kit.files import read_csv, write_csv

TEXTS = st.text(st.sampled_from("=+-@'\t\r\n,\"ab1 \uff1d"), min_size=1, max_size=6)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\uff1d1", "'=1", "''=1"])
def test_no_cell_is_a_formula(tmp_path: Path, text: str) -> None:
    path = write_csv(pd.DataFrame({"answer": [text], text: ["plain"]}), tmp_path / "table.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [["answer", f"'{text}"], [f"'{text}", "plain"]]


@given(st.lists(TEXTS, min_size=1, max_size=4))
@example(["=1", "'=1", "'x", "x\ry"])
def test_what_was_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    table = pd.DataFrame({"text": texts, "number": [-1.5] * len(texts)})
    path = write_csv(table, tmp_path_factory.mktemp("csv") / "table.csv")
    found = read_csv(path, dtype={"text": str}, keep_default_na=False)
    assert found["text"].tolist() == texts
    assert found["number"].tolist() == [-1.5] * len(texts)


def test_numbers_and_what_is_missing_stay(tmp_path: Path) -> None:
    path = write_csv(pd.DataFrame({"n": [-1.0, None], "t": ["-", None], "mixed": [-2, "=3"]}), tmp_path / "table.csv")
    assert path.read_text() == "n,t,mixed\n-1.0,'-,-2\n,,'=3\n"
