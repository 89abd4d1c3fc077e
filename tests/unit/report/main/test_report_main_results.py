from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ccps.analysis.data import ReportData, apart
from ccps.analysis.findings import Findings
from ccps.analysis.main_table import summarise
from ccps.methods.base import ALL_SEEDS
from ccps.report.kit.files import write_costs
from ccps.report.kit.section import Section, latex_file
from ccps.report.main.results import results_section
from ccps.report.main.write import both_aggregates, other_conventions, write_results

Make = Callable[..., ReportData]

# ruff: noqa: E501
MARKDOWN = """\
### lab/tiny\\_model · MMLU-CHOICE (mc)

| Method | ECE ↓ | Brier ↓ | ACC ↑ | AUCPR ↑ | AUROC ↑ | n |
| :-- | --: | --: | --: | --: | --: | --: |
| CCPS | 10.8 \\[9.8, 12.8\\] | 18.5 \\[17.5, 20.5\\] | 68.5 \\[67.5, 70.5\\] | 78.5 \\[77.5, 80.5\\] | 73.5 \\[72.5, 75.5\\] | 8 |
| *2 seeds, lowest–highest* | 10.3–11.3 | 18.0–19.0 | 68.0–69.0 | 78.0–79.0 | 73.0–74.0 |  |
| Own p\\_100% | 12.3 \\[11.3, 14.3\\] | 20.0 \\[19.0, 22.0\\] | 70.0 \\[69.0, 72.0\\] | 80.0 \\[79.0, 82.0\\] | 75.0 \\[74.0, 77.0\\] | 8 |
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


def _section(data: ReportData) -> Section:
    """The section with the intervals that stand in the data, none drawn anew."""
    found = Findings(data)
    vars(found)["tables"] = summarise(data.results, data.reference)
    return results_section(found)


def test_main_table_in_markdown(make_data: Make) -> None:
    data = make_data()
    text = _section(data).markdown(heading=False)
    assert text.startswith(MARKDOWN)
    assert "Mode parity; ECE by convention ct (max(p, 1 − p), ten bins" in text
    assert "in brackets 95 % intervals" in text


def averaged(make_data: Make) -> ReportData:
    """CCPS as one probe of all seeds, better than either of the two."""
    both = make_data().results
    seeds = both[both["method"] == "ccps"]
    whole = seeds[seeds["seed"] == seeds["seed"].min()].assign(seed=ALL_SEEDS)
    whole = whole.assign(value=whole["value"] - 0.05)
    results, single = apart(pd.concat([both, whole], ignore_index=True))
    return make_data(results=results, single_seeds=single)


def test_where_seeds_are_averaged_the_row_is_that_of_all_and_the_line_below_of_the_single_ones(make_data: Make) -> None:
    data = averaged(make_data)
    assert sorted(data.results["seed"].dropna().unique()) == [ALL_SEEDS]
    assert len(data.single_seeds) == 2 * len(data.results[data.results["method"] == "ccps"])
    found = Findings(data)
    vars(found)["tables"] = summarise(data.results, data.reference, single_seeds=data.single_seeds)
    lines = results_section(found).markdown(heading=False).splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("| CCPS"))
    assert lines[place].startswith("| CCPS | 5.3 ")  # 10.3 of the first seed, less 5
    assert lines[place + 1].startswith("| *single seeds of 2, lowest–highest* | 10.3–11.3 | 18.0–19.0 |")


def test_csv_holds_all_seeds_as_a_word_and_the_single_ones(make_data: Make, tmp_path: Path) -> None:
    table = pd.read_csv(write_results(both_aggregates(averaged(make_data)), tmp_path / "results.csv"))
    ccps = table[(table["method"] == "ccps") & (table["metric"] == "ece")]
    assert ccps["seed"].tolist() == ["all", "0", "1"]
    assert table[table["method"] == "own"]["seed"].isna().all()


def test_main_table_in_latex(make_data: Make) -> None:
    data = make_data()
    text = latex_file([_section(data)], joined=True)
    assert LATEX in text
    assert text.startswith("% needs \\usepackage{booktabs}\n\\begin{tabular}{lrrrrrr}\n\\toprule\n")
    assert "95 \\% intervals" in text


def test_missing_values_are_dashes_with_a_reason(make_data: Make) -> None:
    results = make_data().results.assign(reason=None)
    auroc = (results["method"] == "own") & (results["metric"] == "auroc")
    results.loc[auroc, ["value", "ci_low", "ci_high"]] = np.nan
    results.loc[auroc, "reason"] = "only right answers"
    results = results[~((results["method"] == "own") & (results["metric"] == "aucpr"))]
    one_seed = (results["seed"] == 1) & (results["metric"] == "acc")
    results.loc[one_seed, "value"] = np.nan
    data = make_data(results=results)
    text = _section(data).markdown(heading=False)
    own = next(line for line in text.splitlines() if line.startswith("| Own"))
    assert own.endswith("| – | – | 8 |")
    ccps = next(line for line in text.splitlines() if line.startswith("| CCPS"))
    assert ccps.split(" | ")[3] == r"– \[67.5, 70.5\]"
    assert "AUROC of Own p\\_100% is missing: only right answers." in text
    assert "AUCPR of Own p\\_100% is missing: not run, or it scored no answer." in text
    assert "ACC of CCPS is missing: no value was recorded, and no reason." in text


def test_an_interval_above_its_ece_is_said_to_be_one(make_data: Make) -> None:
    results = make_data().results
    words = "the interval of the ECE lies above it"
    assert words not in _section(make_data()).markdown()
    own = results["method"] == "own"
    results.loc[own & (results["metric"] == "ece"), "ci_low"] = 0.13
    results.loc[own & (results["metric"] == "auroc"), "ci_low"] = 0.9
    text = _section(make_data(results=results)).markdown()
    assert text.count(f"MMLU-CHOICE: of Own p\\_100% {words}, as resampling adds to a small ECE") == 1
    assert text.count(words) == 1


def test_results_csv_has_the_contract_columns(make_data: Make, tmp_path: Path) -> None:
    results = make_data().results.assign(reason="x")[["reason", *reversed(make_data().results.columns)]]
    lines = write_results(results.iloc[[0, 5]], tmp_path / "results.csv").read_text().splitlines()
    assert lines[0] == "model,benchmark,format,method,seed,metric,value,ci_low,ci_high,n"
    assert lines[1] == "lab/tiny_model,MMLU-CHOICE,mc,own,,ece,0.123,0.113,0.143,8"
    assert lines[2].startswith("lab/tiny_model,MMLU-CHOICE,mc,ccps,0,ece,0.103,")
    assert len(lines) == 3


def test_costs_csv_leaves_what_is_unknown_empty(make_data: Make, tmp_path: Path) -> None:
    text = write_costs(make_data().costs, tmp_path / "costs.csv").read_text()
    head = "stage,seconds,tokens,bytes,peak_memory,reused\n"
    assert text == f"{head}answer,12.5,1000,2000000,3000000000,True\nfit,1.25,,10,,False\n"


def test_other_conventions_name_each_convention_and_have_no_bold(make_data: Make) -> None:
    other = make_data().results.assign(convention="p_correct")
    text = other_conventions(Findings(make_data(results_other=other)))
    assert text.startswith("## p\\_correct\n\nP(correct), ten bins")
    assert r"| CCPS | 10.8 \[9.8, 12.8\] |" in text
    assert other_conventions(Findings(make_data())) == "No further convention was computed.\n"
