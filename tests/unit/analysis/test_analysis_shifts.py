from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.shifts import COMPARED, SHIFT_COLUMNS, ahead_on, shifts, tally
from ccps.report.kit.table import Cell
from ccps.report.main.shifts import shifts_section

Make = Callable[..., ReportData]


def _rows() -> pd.DataFrame:
    """Two sources: on `arc` one method knows and the other guesses, `piqa` has 10 wrong answers only."""
    rng = np.random.default_rng(0)
    tables = []
    for source, n, wrong in (("arc", 400, 200), ("piqa", 60, 10)):
        correct = np.arange(n) >= wrong
        good = np.clip(0.5 + 0.3 * (2 * correct - 1) + 0.1 * rng.normal(size=n), 0.01, 0.99)
        for method, p in (("logistic", good), ("own", rng.uniform(0.7, 1, size=n))):
            table = pd.DataFrame({"question_id": [f"{source}{place}" for place in range(n)], "p_correct": p})
            tables.append(table.assign(correct=correct, model="m", format="mc", source=source, method=method))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def data(make_data: Make) -> ReportData:
    fields: dict[str, Any] = {"shifts": _rows(), "untrained": {"mc": ["absent", "own"]}, "label_draws": 40}
    return make_data(**fields)


@pytest.fixture(scope="module")
def table(data: ReportData) -> pd.DataFrame:
    return shifts(data)


def test_without_labels_the_figures_are_those_of_the_whole_source(table: pd.DataFrame) -> None:
    assert tuple(table.columns) == SHIFT_COLUMNS
    raw = table[(table["source"] == "arc") & (table["k"] == 0) & (table["method"] == "own")].set_index("metric")
    here = _rows().query("source == 'arc' and method == 'own'")
    assert raw.loc["auroc", "value"] == pytest.approx(roc_auc_score(here["correct"], here["p_correct"]))
    assert raw.loc["brier", "value"] == pytest.approx(brier_score_loss(here["correct"], here["p_correct"]))
    assert raw["n"].eq(400).all()
    # The untrained method is compared with none, and the other with it: the first of the list that was run.
    assert raw["difference"].isna().all()
    assert set(table.loc[table["method"] == "logistic", "other"]) == {"own"}


def test_labels_mend_the_base_rate_of_both_alike(table: pd.DataFrame) -> None:
    arc = table[table["source"] == "arc"].set_index(["method", "k", "metric"])
    assert set(table.loc[table["source"] == "arc", "k"]) == {0, 100}
    assert set(table.loc[table["source"] == "piqa", "k"]) == {0, 30}
    assert arc.loc[("own", 0, "ece"), "value"] > 0.3
    assert arc.loc[("own", 100, "ece"), "value"] < 0.25
    found = arc.loc[("logistic", 100, "brier")]
    wanted = found["value"] - arc.loc[("own", 100, "brier"), "value"]
    assert found["difference"] == pytest.approx(wanted)
    assert found["difference_low"] < wanted < found["difference_high"] < 0


def test_a_difference_is_that_of_the_answers_that_both_score(make_data: Make) -> None:
    rows = _rows().query("source == 'arc'")
    unknown = (rows["method"] == "own") & rows["question_id"].isin([f"arc{place}" for place in range(150, 250)])
    rows["p_correct"] = rows["p_correct"].mask(unknown)
    found = shifts(make_data(shifts=rows, untrained={"mc": ["own"]}, label_draws=5))
    (line,) = found.query("method == 'logistic' and k == 0 and metric == 'brier'").to_dict("records")
    scored = rows.dropna(subset=["p_correct"])
    loss = {
        name: (own["p_correct"] - own["correct"]) ** 2
        for name, own in scored.set_index("question_id").groupby("method")
    }
    assert (line["n"], line["value"]) == (400, pytest.approx(loss["logistic"].mean()))
    assert line["difference"] == pytest.approx((loss["logistic"] - loss["own"]).dropna().mean())
    assert len((loss["logistic"] - loss["own"]).dropna()) == 300


def test_sources_are_counted_and_few_answers_bear_no_verdict(data: ReportData, table: pd.DataFrame) -> None:
    assert set(table.loc[table["source"] == "piqa", "reservation"]) == {"too few: 10 wrong"}
    labelled = table[table["k"] > 0]
    counts = tally(labelled)
    assert set(counts) == {("logistic", metric) for metric in COMPARED}
    assert counts["logistic", "auroc"] == (1, 0, 0, 1)
    assert counts["logistic", "brier"] == (1, 0, 0, 1)
    section = shifts_section(Findings(data))
    assert section is not None
    (lines,) = section.tables
    assert lines.lines[0].cells[1] == Cell("▲ 1 · 0 ▼ 0 no verdict 1")
    assert ("better on all" in "".join(section.points)) == bool(ahead_on(labelled, "logistic"))


def test_where_no_source_was_left_out_there_is_no_section(make_data: Make) -> None:
    assert shifts_section(Findings(make_data())) is None
