from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ccps.analysis.data import ReportData
from ccps.analysis.resamples import Resamples, by_subject
from ccps.report.summary import Block, summarise
from ccps.report.tables import (
    main_latex,
    main_markdown,
    other_markdown,
    per_subject,
    write_costs_csv,
    write_results_csv,
)

Make = Callable[..., ReportData]

# ruff: noqa: E501
MARKDOWN = """\
### lab/tiny\\_model · MMLU-CHOICE (mc)

| Method | ECE ↓ | Brier ↓ | ACC ↑ | AUCPR ↑ | AUROC ↑ | n |
| :-- | --: | --: | --: | --: | --: | --: |
| CCPS | 10.8 [9.8, 12.8] | 18.5 [17.5, 20.5] | 68.5 [67.5, 70.5] | 78.5 [77.5, 80.5] | 73.5 [72.5, 75.5] | 8 |
| *2 seeds, lowest–highest* | 10.3–11.3 | 18.0–19.0 | 68.0–69.0 | 78.0–79.0 | 73.0–74.0 |  |
| Own p\\_100% | 12.3 [11.3, 14.3] | 20.0 [19.0, 22.0] | 70.0 [69.0, 72.0] | 80.0 [79.0, 82.0] | 75.0 [74.0, 77.0] | 8 |
"""

LATEX = r"""
\midrule
\multicolumn{7}{l}{\textit{lab/tiny\_model $\cdot$ MMLU-CHOICE (mc)}} \\
CCPS & 10.8 {\scriptsize [9.8, 12.8]} & 18.5 {\scriptsize [17.5, 20.5]} & 68.5 {\scriptsize [67.5, 70.5]} & 78.5 {\scriptsize [77.5, 80.5]} & 73.5 {\scriptsize [72.5, 75.5]} & 8 \\
\quad{\scriptsize 2 seeds, lowest--highest} & {\scriptsize 10.3--11.3} & {\scriptsize 18.0--19.0} & {\scriptsize 68.0--69.0} & {\scriptsize 78.0--79.0} & {\scriptsize 73.0--74.0} & \\
Own p\_100\% & 12.3 {\scriptsize [11.3, 14.3]} & 20.0 {\scriptsize [19.0, 22.0]} & 70.0 {\scriptsize [69.0, 72.0]} & 80.0 {\scriptsize [79.0, 82.0]} & 75.0 {\scriptsize [74.0, 77.0]} & 8 \\
\bottomrule
\end{tabular}
"""


def _blocks(data: ReportData) -> tuple[Block, ...]:
    return summarise(data.results, data.reference)


def test_main_table_in_markdown(make_data: Make) -> None:
    data = make_data()
    text = main_markdown(_blocks(data), data)
    assert text.startswith(MARKDOWN)
    assert "Mode parity; ECE by convention ct (max(p, 1 − p), ten bins" in text
    assert "in brackets 95 % intervals" in text


def test_main_table_in_latex(make_data: Make) -> None:
    data = make_data()
    text = main_latex(_blocks(data), data)
    assert LATEX in text
    assert text.startswith("% needs \\usepackage{booktabs}\n\\begin{tabular}{lrrrrrr}\n\\toprule\n")
    assert "95 \\% intervals" in text


def _per_subject(data: ReportData) -> pd.DataFrame:
    return per_subject(data, by_subject(data.scores, data.convention))


def _bold(data: ReportData, drawn: dict[str, np.ndarray]) -> set[tuple[str, int]]:
    """What is bold if methods measure these values of the ECE in the resamples, and the same of all else."""
    values = {
        (data.settings[0], method): np.stack([row, *[np.zeros(len(row))] * 4], axis=1) for method, row in drawn.items()
    }
    (block,) = summarise(data.results, data.reference, (), Resamples(values, 0.95))
    return {(row.method, place) for row in block.rows for place, cell in enumerate(row.cells) if cell.bold}


def test_bold_needs_a_difference_whose_interval_excludes_zero(make_data: Make) -> None:
    noise = np.linspace(-0.1, 0.1, 101)
    assert _bold(make_data(), {"ccps": 0.1 + noise, "own": 0.2 + noise}) == {("ccps", 0)}  # paired
    assert _bold(make_data(), {"ccps": 0.1 + noise, "own": 0.2 - noise}) == set()
    assert _bold(make_data(), {"ccps": 0.1 + noise, "own": 0.1 + noise}) == set()
    assert _bold(make_data(), {"ccps": 0.1 + noise}) == set()


def test_the_best_must_be_clear_of_every_other(make_data: Make) -> None:
    data = make_data()
    own = data.results[data.results["method"] == "own"]
    third = own.assign(method="third")
    results = pd.concat([data.results, third])
    noise = np.linspace(-0.1, 0.1, 101)
    drawn = {"ccps": 0.1 + noise, "own": 0.2 + noise}
    assert _bold(make_data(results=results), {**drawn, "third": 0.1 - noise}) == set()
    assert _bold(make_data(results=results), {**drawn, "third": 0.3 + noise}) == {("ccps", 0)}
    # Whichever is best: the reference has no privilege.
    better = third.assign(value=third["value"].where(third["metric"] != "ece", 0.01))
    results = pd.concat([data.results, better])
    assert _bold(make_data(results=results), {**drawn, "third": noise}) == {("third", 0)}


def test_one_method_has_no_best(make_data: Make) -> None:
    data = make_data()
    only = data.results[data.results["method"] == "ccps"]
    assert _bold(make_data(results=only), {"ccps": np.linspace(0.1, 0.2, 9)}) == set()


def test_missing_values_are_dashes_with_a_reason(make_data: Make) -> None:
    results = make_data().results.assign(reason=None)
    auroc = (results["method"] == "own") & (results["metric"] == "auroc")
    results.loc[auroc, ["value", "ci_low", "ci_high"]] = np.nan
    results.loc[auroc, "reason"] = "only right answers"
    results = results[~((results["method"] == "own") & (results["metric"] == "aucpr"))]
    one_seed = (results["seed"] == 1) & (results["metric"] == "acc")
    results.loc[one_seed, "value"] = np.nan
    data = make_data(results=results)
    text = main_markdown(_blocks(data), data)
    own = next(line for line in text.splitlines() if line.startswith("| Own"))
    assert own.endswith("| – | – | 8 |")
    ccps = next(line for line in text.splitlines() if line.startswith("| CCPS"))
    assert ccps.split(" | ")[3] == "– [67.5, 70.5]"
    assert "AUROC of Own p\\_100% is missing: only right answers." in text
    assert "AUCPR of Own p\\_100% is missing: not run, or it scored no answer." in text
    assert "ACC of CCPS is missing: no value was recorded, and no reason." in text


def test_results_csv_has_the_contract_columns(make_data: Make, tmp_path: Path) -> None:
    results = make_data().results.assign(reason="x")[["reason", *reversed(make_data().results.columns)]]
    lines = write_results_csv(results.iloc[[0, 5]], tmp_path / "results.csv").read_text().splitlines()
    assert lines[0] == "model,benchmark,format,method,seed,metric,value,ci_low,ci_high,n"
    assert lines[1] == "lab/tiny_model,MMLU-CHOICE,mc,own,,ece,0.123,0.113,0.143,8"
    assert lines[2].startswith("lab/tiny_model,MMLU-CHOICE,mc,ccps,0,ece,0.103,")
    assert len(lines) == 3


def test_costs_csv_leaves_what_is_unknown_empty(make_data: Make, tmp_path: Path) -> None:
    text = write_costs_csv(make_data().costs, tmp_path / "costs.csv").read_text()
    assert text == ("stage,seconds,tokens,bytes,peak_memory\nanswer,12.5,1000,2000000,3000000000\nfit,1.25,,10,\n")


def test_per_subject_averages_seeds(make_data: Make) -> None:
    data = make_data()
    table = _per_subject(data).set_index("subject")
    assert list(table["n"]) == [4, 4]
    assert list(table["llm_accuracy"]) == [0.75, 0.25]
    correct = np.array([1, 0, 1, 1])
    p = np.array([0.9, 0.2, 0.8, 0.6])
    brier = np.mean([np.mean((p + shift - correct) ** 2) for shift in (0.0, 0.05)])
    assert table.loc["abstract_algebra", "brier_ccps"] == pytest.approx(brier)
    anatomy = data.scores[(data.scores["subject"] == "anatomy") & (data.scores["method"] == "own")]
    auroc = roc_auc_score(anatomy["correct"], anatomy["p_correct"])
    assert table.loc["anatomy", "auroc_own"] == pytest.approx(auroc)


def test_per_subject_leaves_undefined_metrics_missing(make_data: Make) -> None:
    scores = make_data().scores
    table = _per_subject(make_data(scores=scores[scores["correct"] & (scores["method"] == "ccps")]))
    assert table["auroc_ccps"].isna().all()
    assert table["brier_ccps"].notna().all()
    assert table["brier_own"].isna().all()


def test_other_conventions_name_each_convention_and_have_no_bold(make_data: Make) -> None:
    other = make_data().results.assign(convention="p_correct")
    text = other_markdown(make_data(results_other=other))
    assert text.startswith("## p\\_correct\n\nP(correct), ten bins")
    assert "| CCPS | 10.8 [9.8, 12.8] |" in text
    assert other_markdown(make_data()) == "No further convention was computed.\n"
