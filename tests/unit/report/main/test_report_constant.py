"""A seed that gives one P for every answer is left out of means of what ranks, and a table of such says "constant"."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from ccps.analysis.averages import setting_means
from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.metrics import CONSTANT
from ccps.report.kit.figure import Picture
from ccps.report.main.coverage import risk_coverages
from ccps.report.main.reliability import reliability_diagrams
from ccps.report.main.results import results_section

Make = Callable[..., ReportData]
BENCHMARK = "MMLU-CHOICE"


def constant(data: ReportData, seeds: Sequence[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results and scores in which these seeds of the reference are dead."""
    results, scores = data.results.assign(reason=""), data.scores.copy()
    dead = results["seed"].isin(seeds) & results["metric"].isin(["auroc", "aucpr"])
    results.loc[dead, ["value", "ci_low", "ci_high"]] = np.nan
    results.loc[dead, "reason"] = CONSTANT
    scores.loc[scores["seed"].isin(seeds), "p_correct"] = 0.6
    return results, scores


@pytest.mark.parametrize("aggregate", ["macro", "pooled"])
def test_a_mean_is_over_the_seeds_that_live(make_data: Make, aggregate: str) -> None:
    whole = make_data()
    results, scores = constant(whole, [1])
    found = Findings(make_data(results=results, scores=scores, aggregates={BENCHMARK: aggregate}))
    alone = Findings(
        make_data(
            results=whole.results[whole.results["seed"] != 1],
            scores=whole.scores[whole.scores["seed"] != 1],
            aggregates={BENCHMARK: aggregate},
        )
    )
    setting = whole.settings[0]
    for metric in ("auroc", "aucpr"):
        means = setting_means(results, metric)["ccps"]
        assert means[setting] == whole.results.query("seed == 0 and metric == @metric")["value"].item()
        drawn = found.resamples.of(setting, "ccps", metric)
        single = alone.resamples.of(setting, "ccps", metric)
        assert drawn is not None
        assert single is not None
        known = ~np.isnan(drawn)
        assert 0 < known.sum() < len(drawn)  # some resamples draw the dead seed alone
        np.testing.assert_allclose(drawn[known], single[known])
    brier = setting_means(results, "brier")["ccps"]
    assert brier[setting] == setting_means(whole.results, "brier")["ccps"][setting]
    text = results_section(found).markdown()
    assert f"AUROC of CCPS is over 1 of 2 seeds; for the rest, {CONSTANT}." in text
    assert "ECE of CCPS is over" not in text
    column = found.subjects["auroc_ccps"]
    assert column.notna().all()


def test_where_all_seeds_are_dead_the_cells_say_so(make_data: Make) -> None:
    results, scores = constant(make_data(), [0, 1])
    found = Findings(make_data(results=results, scores=scores))
    (row,) = [row for row in found.tables[0].rows if row.method == "ccps"]
    assert [cell.reason for cell in row.cells] == ["", "", "", CONSTANT, CONSTANT]
    text = results_section(found).markdown()
    (line,) = [line for line in text.splitlines() if line.startswith(("| CCPS", "| **CCPS"))]
    assert line.count("constant") == 2
    assert "50.0" not in line
    assert f"AUCPR and AUROC of CCPS are missing: {CONSTANT}." in text
    assert found.subjects["auroc_ccps"].isna().all()


def test_a_flat_method_is_named_in_words_on_figures(make_data: Make) -> None:
    scores = make_data().scores
    flat = scores["method"] == "own"
    scores.loc[flat, "p_correct"] = 0.61 + np.arange(flat.sum()) / 1000
    found = Findings(make_data(scores=scores))
    one, other = list(reliability_diagrams(found))
    assert isinstance(one, Picture)
    assert isinstance(other, Picture)
    assert "hardly" not in one.alt
    assert "P hardly varies: 61.0–61.7 %, so that a point stands for all answers. stated 61 %" in other.alt
    (curves,) = risk_coverages(found)
    assert isinstance(curves, Picture)
    assert curves.alt.count("P hardly varies") == 1
