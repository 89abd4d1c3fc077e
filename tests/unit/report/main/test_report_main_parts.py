"""Costs of methods, leak audit, importance, methods left out, and the figures of many methods."""

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ccps.analysis.data import METHOD_COST_COLUMNS, ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.records import (
    DROP_COLUMNS,
    SHAP_COLUMNS,
    SHARED_COLUMNS,
    TRANSFER_COLUMNS,
    Audit,
    Importance,
    LeftOutMethod,
    Setting,
)
from ccps.analysis.resamples import Resamples
from ccps.report.kit.figure import Gap, Picture
from ccps.report.main.audit import audit_section, transfer_maps
from ccps.report.main.importance import importance_figures, importance_section
from ccps.report.main.left_out import left_out_section
from ccps.report.main.method_cost import cost_figures, method_cost_section
from ccps.report.main.write import write_report

Make = Callable[..., ReportData]
HERE = Setting("lab/tiny_model", "MMLU-CHOICE")
NOTHING = Resamples({}, 0.95)


def _one(found: Iterable[Picture | Gap]) -> Picture:
    (image,) = found
    assert isinstance(image, Picture)
    return image


def _costs() -> pd.DataFrame:
    rows = [
        (*HERE, "own", 0.0154, 0.0154, 90.5, 0, 0, None),
        (*HERE, "ccps", 1.25, 0.0154, 1234, 9542, 1500, 75),
    ]
    return pd.DataFrame(rows, columns=METHOD_COST_COLUMNS)


def _audit(**transfer: Any) -> Audit:
    shared = pd.DataFrame([("MMLU-CHOICE", 3, 2), ("Other", 0, 0)], columns=SHARED_COLUMNS)
    rows = [("arc", "arc", 0.7), ("arc", "mmlu", 0.6), ("piqa", "mmlu", math.nan), ("piqa", "piqa", 0.55)]
    table = pd.DataFrame(
        [("m", "mc", a, b, "auroc", value, value - 0.1, value + 0.1, 30) for a, b, value in rows],
        columns=TRANSFER_COLUMNS,
    )
    return Audit(shared, table.assign(reason=["", "", "fewer than 20 answers", ""], **transfer))


def _importance() -> Importance:
    shap = [("m", "mc", f"feature_{place}", "first" if place % 2 else "second", place / 1000) for place in range(30)]
    drops = [("m", "mc", "first", 0.05, 0.03, 0.07), ("m", "mc", "second", -0.001, -0.01, 0.01)]
    return Importance(pd.DataFrame(shap, columns=SHAP_COLUMNS), pd.DataFrame(drops, columns=DROP_COLUMNS))


def test_nothing_measured_leaves_no_part(make_data: Make) -> None:
    found = Findings(make_data(), NOTHING)
    assert method_cost_section(found) is left_out_section(found) is importance_section(found) is None
    assert audit_section(found) is None
    assert [*cost_figures(found), *transfer_maps(found), *importance_figures(found)] == []


def test_costs_of_methods_in_the_order_of_the_main_table(make_data: Make) -> None:
    section = method_cost_section(Findings(make_data(method_costs=_costs())))
    assert section is not None
    (table,) = section.tables
    assert table.rows == [
        ("CCPS", "1.25 s", "15 ms", "1,234", "9,542", "1.5 kB", "1.2 min"),
        ("Own p_100%", "15 ms", "15 ms", "90.5", "0", "0 B", "–"),
    ]
    image = _one(cost_figures(Findings(make_data(method_costs=_costs()))))
    assert "CCPS 1.25 s, AUROC 73.5 %, ECE 10.8 %; Own p_100% 15 ms, AUROC 75.0 %" in image.alt
    unknown = _costs().assign(seconds=np.nan)
    assert [*cost_figures(Findings(make_data(method_costs=unknown)))] == []


def test_audit_counts_shared_questions_and_shows_the_matrix(make_data: Make) -> None:
    section = audit_section(Findings(make_data(audit=_audit()), NOTHING))
    assert section is not None
    assert section.words[0] == (
        "3 training questions stand in a test benchmark too: 2 left out of the training, 1 trained on all the same."
    )
    matrix = section.tables[1]
    assert (matrix.caption, list(matrix.head)) == ("AUROC · m (mc)", ["Trained on", "on arc", "on piqa", "on mmlu"])
    arc, piqa = matrix.rows
    assert arc == ("arc", "70.0 [60.0, 80.0]", "–", "60.0 [50.0, 70.0]")
    assert piqa == ("piqa", "–", "55.0 [45.0, 65.0]", "–")
    assert section.notes == ["Missing, piqa to mmlu: fewer than 20 answers."]
    image = _one(transfer_maps(Findings(make_data(audit=_audit()))))
    assert "from 55.0 % (piqa to piqa) to 70.0 % (arc to arc)" in image.alt
    clean = Audit(pd.DataFrame([("b", 0, 0)], columns=SHARED_COLUMNS))
    words = audit_section(Findings(make_data(audit=clean), NOTHING))
    assert words is not None
    assert words.words == ["No training question stands in a test benchmark too."]


@pytest.mark.parametrize(("drawn", "verdict"), [([0.45, 0.55], "covers 50 %"), ([0.6, 0.7], "does not cover 50 %")])
def test_shuffled_control_is_judged_in_words(make_data: Make, drawn: list[float], verdict: str) -> None:
    resamples = Resamples({(HERE, "own"): np.repeat(np.array(drawn)[:, None], 5, axis=1)}, 0.95)
    section = audit_section(Findings(make_data(controls=["own"], chance_control="own"), resamples))
    assert section is not None
    (line,) = section.words
    assert f"its interval {verdict}" in line
    nothing = audit_section(Findings(make_data(controls=["own"], chance_control="own"), NOTHING))
    assert nothing is not None
    assert nothing.words[0].endswith("has no AUROC with an interval.")


def test_importance_shows_the_strongest_features_and_all_groups(make_data: Make) -> None:
    found = Findings(make_data(importance=_importance()))
    section = importance_section(found)
    assert section is not None
    assert section.tables[0].rows == [
        ("m (mc)", "first", "5.0", "[3.0, 7.0]"),
        ("m (mc)", "second", "−0.1", "[−1.0, 1.0]"),
    ]
    image = _one(importance_figures(found))
    strongest = "feature_29 2.90, feature_28 2.80, feature_27 2.70, feature_26 2.60 and feature_25 2.50"
    assert f"in points: {strongest}." in image.alt
    assert image.broad


def _many(make_data: Make) -> ReportData:
    data = make_data()
    methods = {f"method_{place}": 0.5 - place / 100 for place in range(9)}
    results, scores = [data.results], [data.scores]
    for method, brier in methods.items():
        rows = data.results[data.results["method"] == "own"].assign(method=method)
        rows.loc[rows["metric"] == "brier", "value"] = brier
        results.append(rows)
        scores.append(data.scores[data.scores["method"] == "own"].assign(method=method))
    return make_data(
        results=pd.concat(results), scores=pd.concat(scores), controls=["method_8"], method_costs=_costs(),
        audit=_audit(), importance=_importance(), chance_control="method_8", resamples=50,
        left_out_methods=[LeftOutMethod("litcab", "d × V numbers & no GPU")],
    )  # fmt: skip


def test_report_of_many_methods(make_data: Make, tmp_path: Path) -> None:
    files = {str(path.relative_to(tmp_path)) for path in write_report(_many(make_data), tmp_path)}
    setting = "lab-tiny-model-mmlu-choice"
    kinds, main = ("reliability", "histogram"), ("ccps", "own", "method-7")
    drawn_in_full = [f"{kind}-{setting}-{method}" for kind in kinds for method in main]
    assert {name for name in files if name.startswith("figures/")} == {
        *(f"figures/{name}.png" for name in drawn_in_full),
        f"figures/reliability-{setting}.png", f"figures/histograms-{setting}.png",
        f"figures/risk-coverage-{setting}.png", f"figures/subjects-{setting}.png", f"figures/cost-{setting}.png",
        "figures/transfer-m-mc.png", "figures/importance-m-mc.png",
    }  # fmt: skip
    tables = {"method_costs", "shared", "transfer", "importance", "importance_groups"}
    assert {f"tables/{name}.csv" for name in tables} <= files
    assert len(pd.read_csv(tmp_path / "tables/transfer.csv")) == 4
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section id="(\w+)">', page)
    linked = re.findall(r'<a href="#(\w+)">', page)
    assert sections == linked
    assert {"headline", "importance", "method_cost", "left_out", "audit"} <= set(sections)
    assert "d × V numbers &amp; no GPU" in page
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    for title in ("What each method costs", "Methods that were left out", "What the probe listens to"):
        assert f"<h2>{title}</h2>" in page
        assert f"## {title}\n" in markdown
    assert "| *Controls* |" in markdown
