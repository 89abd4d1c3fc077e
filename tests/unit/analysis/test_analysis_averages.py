import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ccps.analysis.averages import (
    average,
    average_results,
    averages_table,
    gap,
    headlines,
    setting_means,
)
from ccps.analysis.data import ReportData
from ccps.analysis.differences import average_differences
from ccps.analysis.findings import Findings
from ccps.analysis.main_table import summarise
from ccps.analysis.records import Setting
from ccps.analysis.resamples import Resamples, by_subject, resample
from ccps.metrics import CONTEST, METRICS
from ccps.report.kit.table import Cell
from ccps.report.main.headline import headline_section
from ccps.report.main.job import MAIN
from ccps.report.main.write import write_report

Make = Callable[..., ReportData]
NOTHING = Resamples({}, 0.95)
B1, B2 = Setting("m", "b1"), Setting("m", "b2")


def _results(rows: list[tuple[str, str, float]], metric: str = "auroc") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["benchmark", "method", "value"]).assign(metric=metric, model="m")


ROWS = [
    ("b1", "ccps", 0.9), ("b1", "ccps", 0.8), ("b1", "a", 0.7), ("b1", "b", 0.75),
    ("b2", "ccps", 0.6), ("b2", "a", 0.7), ("b2", "b", 0.5),
]  # fmt: skip


def _gap(results: pd.DataFrame, metric: str, scale: str, rivals: tuple[str, ...] = ("a", "b")) -> float:
    return gap(results, NOTHING, metric, scale, "ccps", rivals, [B1, B2]).value


def test_gap_takes_the_strongest_rival_of_each_setting() -> None:
    assert _gap(_results(ROWS), "auroc", "points") == pytest.approx((0.1 - 0.1) / 2)
    relative = ((0.85 - 0.7) / 0.7 + (0.6 - 0.5) / 0.5) / 2
    assert _gap(_results(ROWS, "ece"), "ece", "relative") == pytest.approx(relative)
    assert _gap(_results(ROWS), "auroc", "points", ("b",)) == pytest.approx((0.1 + 0.1) / 2)


def test_gap_is_missing_when_any_part_is() -> None:
    assert math.isnan(_gap(_results(ROWS[:4]), "auroc", "points"))
    assert math.isnan(_gap(_results([*ROWS[:4], ("b2", "ccps", math.nan), ("b2", "a", 0.5)]), "auroc", "points"))
    assert math.isnan(_gap(_results(ROWS), "auroc", "points", ()))


def _with_auroc(auroc: dict[str, list[float]]) -> Resamples:
    """Resamples of b1 in which methods differ by AUROC alone."""
    place = list(METRICS).index("auroc")
    drawn = {}
    for method, values in auroc.items():
        drawn[B1, method] = np.full((len(values), len(METRICS)), 0.1)
        drawn[B1, method][:, place] = values
    return Resamples(drawn, 0.95)


@pytest.mark.parametrize(
    ("auroc_of_a", "strongest_ece"),
    [
        ([0.45, 0.5, 0.55], 0.08),  # cannot be told from chance: its ECE says nothing
        ([math.nan] * 3, 0.08),  # a constant has none
        ([0.6, 0.65, 0.7], 0.001),
        ([0.3, 0.35, 0.4], 0.001),  # tells them apart, if the wrong way round
    ],
)
def test_a_confidence_that_tells_nothing_apart_is_never_the_strongest_by_a_metric_that_constants_win(
    auroc_of_a: list[float], strongest_ece: float
) -> None:
    results = _results([("b1", "ccps", 0.05), ("b1", "a", 0.001), ("b1", "b", 0.08)], "ece")
    drawn = _with_auroc({"ccps": [0.7, 0.7, 0.7], "a": auroc_of_a, "b": [0.6, 0.65, 0.7]})
    assert gap(results, drawn, "ece", "points", "ccps", ("a", "b"), [B1]).value == pytest.approx(0.05 - strongest_ece)
    same = results.assign(metric="brier")
    assert gap(same, drawn, "brier", "points", "ccps", ("a", "b"), [B1]).value == pytest.approx(0.05 - 0.001)
    alone = gap(results, drawn, "ece", "points", "ccps", ("a",), [B1]).value
    assert alone == pytest.approx(0.05 - 0.001)


def test_only_the_ece_is_won_by_constants_and_no_gap_of_ours_is_relative() -> None:
    assert [name for name, metric in CONTEST.items() if metric.constant_wins] == ["ece"]
    assert {metric.scale for metric in CONTEST.values()} == {"points"}


def _drawn(values: dict[tuple[Setting, str], list[float]]) -> Resamples:
    """Resamples in which all five metrics are the same."""
    return Resamples({key: np.repeat(np.array(row)[:, None], 5, axis=1) for key, row in values.items()}, 0.5)


def test_intervals_of_averages_and_gaps_come_from_joint_resamples() -> None:
    drawn = _drawn(
        {
            (B1, "ccps"): [0.1, 0.2, 0.3], (B2, "ccps"): [0.3, 0.4, 0.5],
            (B1, "b"): [0.0, 0.1, 0.2], (B2, "a"): [0.1, 0.2, 0.3],
        }
    )  # fmt: skip
    mean = average(setting_means(_results(ROWS), "auroc"), drawn, "auroc", "ccps", [B1, B2])
    assert mean.value == pytest.approx((0.85 + 0.6) / 2)
    assert (mean.low, mean.high) == pytest.approx((0.25, 0.35))
    ahead = gap(_results(ROWS), drawn, "auroc", "points", "ccps", ("a", "b"), [B1, B2])
    assert (ahead.low, ahead.high) == pytest.approx((0.15, 0.15))


def two_settings(make_data: Make, **changes: Any) -> ReportData:
    """The small experiment on two benchmarks of two formats, with a control that is best of all."""
    data = make_data()
    results, scores = (
        pd.concat([table, table[table["method"] == "own"].assign(method="control")])
        for table in (data.results, data.scores)
    )
    results.loc[(results["method"] == "control") & (results["metric"] == "auroc"), "value"] = 1.0
    fields: dict[str, Any] = {
        "results": pd.concat([results, results.assign(benchmark="Other", format="oe")], ignore_index=True),
        "scores": pd.concat([scores, scores.assign(benchmark="Other")], ignore_index=True),
        "controls": ["control"],
    }
    return make_data(**(fields | changes))


def _resamples(data: ReportData) -> Resamples:
    return resample(data, data.convention, by_subject(data.scores, data.convention))


def test_average_block_has_all_methods_and_says_what_is_missing(make_data: Make) -> None:
    data = two_settings(make_data)
    results = data.results[~((data.results["method"] == "own") & (data.results["benchmark"] == "Other"))]
    data = two_settings(make_data, results=results)
    table = average_results(data, _resamples(data))
    (block,) = summarise(table, "ccps", data.controls)
    assert (block.model, block.benchmark, block.format) == ("Average", "2 settings", "mc, oe")
    assert [(row.method, row.control) for row in block.rows] == [("ccps", False), ("own", False), ("control", True)]
    assert block.rows[0].cells[4].value == pytest.approx(0.735)
    assert {reason for method, _, reason in block.missing()} == {"it has no value in every setting"}
    rows = averages_table(data, table).set_index(["method", "metric"])
    assert rows.loc[("own", "ece"), "n_settings"] == 1
    assert rows.loc[("ccps", "ece"), "n_settings"] == 2


def test_average_differences_are_paired(make_data: Make) -> None:
    data = two_settings(make_data)
    table = average_differences(data, _resamples(data)).set_index(["other", "metric"])
    assert table.loc[("own", "auroc"), "value"] == pytest.approx(-0.015)
    # The other method is the reference shifted: whatever is drawn, the order of answers is the same.
    assert tuple(table.loc[("own", "auroc"), ["ci_low", "ci_high"]]) == (0.0, 0.0)
    one = make_data()
    assert average_differences(one, _resamples(one)).empty
    assert average_results(one, _resamples(one)).empty


def test_controls_are_no_rivals_and_never_bold(make_data: Make) -> None:
    data = two_settings(make_data)
    found = {one.metric: one for one in headlines(data, _resamples(data))}
    assert set(found) == set(CONTEST)
    assert found["auroc"].measured.value == pytest.approx(-0.015)
    assert found["ece"].measured.value == pytest.approx(0.108 - 0.123)
    section = headline_section(Findings(data))
    assert section is not None
    assert section.tables[0].lines[0].cells[:2] == [Cell("ECE"), Cell("−1.5 points")]
    assert {row.cells[3] for row in section.tables[0].lines} == {Cell("Own p_100%")}
    blocks = summarise(data.results, "ccps", data.controls, _resamples(data))
    assert not any(cell.bold for block in blocks for row in block.rows if row.control for cell in row.cells)
    assert headlines(make_data(controls=["own"]), NOTHING) == ()


def test_intervals_over_several_seeds_come_from_the_resamples(make_data: Make) -> None:
    data = make_data()
    drawn = _drawn({(data.settings[0], "ccps"): [0.1, 0.2, 0.3], (data.settings[0], "own"): [0.1, 0.2, 0.3]})
    (block,) = summarise(data.results, "ccps", (), drawn)
    ccps, own = (row.cells[0] for row in block.rows)
    assert (ccps.low, ccps.high) == pytest.approx((0.15, 0.25))
    assert (own.low, own.high) == pytest.approx((0.113, 0.143))


def test_written_report_shows_averages_and_controls_apart(
    make_data: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MAIN, "figures", [])
    write_report(two_settings(make_data, resamples=50), tmp_path)
    table = pd.read_csv(tmp_path / "tables/averages.csv")
    assert list(table.columns) == ["method", "metric", "value", "ci_low", "ci_high", "n_settings"]
    assert len(table) == 3 * len(CONTEST)
    main = (tmp_path / "tables/main.md").read_text()
    assert main.startswith("### Average · 2 settings (mc, oe)")
    lines = main.splitlines()
    assert lines.count("| *Controls* |  |  |  |  |  |  |") == 3
    assert lines[lines.index("| *Controls* |  |  |  |  |  |  |") + 1].startswith("| control |")
    assert main.count("| Own p") == 3
    latex = (tmp_path / "tables/main.tex").read_text()
    assert latex.count(r"\multicolumn{7}{l}{\scriptsize Controls} \\") == 3
    page = (tmp_path / "report.html").read_text()
    assert page.count('<tr class="group">') == 3
    assert "CCPS against the strongest other method" in page
    assert "ECE of ccps against the strongest other method: −1.5 points" in (tmp_path / "claims.txt").read_text()
