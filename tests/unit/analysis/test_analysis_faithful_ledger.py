from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faithful_cells import NAN, cell, data, steps, traces

from ccps.analysis.faithful_claims import parse_faithful_claims
from ccps.analysis.faithful_data import MEASURE_COLUMNS, FaithfulCell
from ccps.analysis.faithful_ledger import faithful_ledger
from ccps.analysis.ledger import ClaimVerdict, LedgerEntry
from ccps.report.faithful.write import write_faithful
from ccps.report.published import claims_table, ledger_section

_FIGURE: dict[str, Any] = {
    "table": "Table 1",
    "model": "m",
    "datasets": ["a"],
    "over": "mean",
    "prompt": "baseline",
    "values": {"cmfg_star": {"rcc": 0.5}},
}
_FILE: dict[str, Any] = {
    "source": "a paper",
    "note": "",
    "mode": "strict",
    "decisiveness": "lexicon",
    "judge": "llm_yes_no",
    "tolerance": 0.02,
}


def _cell(dataset: str, score: float, **changes: Any) -> FaithfulCell:
    rows = [("rcc", "cmfg_star", score, score - 0.1, score + 0.1, 30), ("", "mean_decisiveness", 0.9, 0.8, 1.0, 30)]
    table = pd.DataFrame(rows, columns=list(MEASURE_COLUMNS))
    fields = {"model": "m", "dataset": dataset, "prompt": "baseline", "estimators": ("rcc",), "results": table}
    return cell(**(fields | changes))


def _entries(*cells: FaithfulCell, run: dict[str, Any] | None = None, **figure: Any) -> tuple[LedgerEntry, ...]:
    settings = {"decisiveness": "lexicon", "judges": {"sampling": "words in common"}, **(run or {})}
    return faithful_ledger(
        data(*cells, claims=parse_faithful_claims({"s": _FILE | {"figures": [_FIGURE | figure]}}), **settings)
    )


@pytest.mark.parametrize(("score", "verdict"), [(0.52, ClaimVerdict.MATCH), (0.47, ClaimVerdict.DIFFERS)])
def test_one_dataset_is_held_against_its_cell(score: float, verdict: ClaimVerdict) -> None:
    other = _cell("a", 0.1, prompt="perception")
    (entry,) = _entries(_cell("b", 0.9), other, _cell("a", score))
    assert (entry.got, entry.low, entry.high) == (score, score - 0.1, score + 0.1)
    assert entry.verdict is verdict


@pytest.mark.parametrize(("over", "expected"), [("mean", 0.5), ("min", 0.3), ("max", 0.8)])
def test_several_datasets_are_taken_together_without_an_interval(over: str, expected: float) -> None:
    cells = [_cell("a", 0.3), _cell("b", 0.4), _cell("c", 0.8)]
    (entry,) = _entries(*cells, datasets=["a", "b", "c"], over=over)
    assert entry.got == pytest.approx(expected)
    assert entry.low is entry.high is None


@pytest.mark.parametrize(
    ("figure", "reason"),
    [
        ({"model": None}, "of which model it was measured is not known"),
        ({"model": None, "datasets": None}, "of which model and on which datasets it was measured is not known"),
        ({"datasets": ["a", "b"]}, "this run covers m · a · baseline, the figure m on a and b, prompt baseline"),
        ({"model": "n"}, "this run covers m · a · baseline, the figure n on a, prompt baseline"),
        ({"prompt": "human"}, "this run covers m · a · baseline, the figure m on a, prompt human"),
        ({"values": {"cmfg_star": {"deepconf": 0.5}}}, "DeepConf was not computed"),
        ({"values": {"judge_pearson": 0.5}}, "a run does not hold its judge of words against people"),
        ({"values": {"accuracy": 0.5}}, "a value is missing for one of the datasets"),
    ],
)
def test_what_is_not_comparable_is_not_compared(figure: dict[str, Any], reason: str) -> None:
    (entry,) = _entries(_cell("a", 0.5), **figure)
    assert (entry.verdict, entry.reason, entry.got) == (ClaimVerdict.NOT_MEASURED, reason, None)


@pytest.mark.parametrize(
    ("run", "figure", "reason"),
    [
        ({}, {"prompt": None}, "its prompt is not known, baseline here"),
        ({"mode": "parity"}, {}, "mode strict there, parity here"),
        ({"decisiveness": "external"}, {}, "words judged by lexicon there, external here"),
    ],
)
def test_other_quantities_are_shown_without_a_verdict(run: dict[str, Any], figure: dict[str, Any], reason: str) -> None:
    (entry,) = _entries(_cell("a", 0.5), run=run, **figure)
    assert (entry.verdict, entry.reason, entry.got) == (ClaimVerdict.NONE, reason, 0.5)


def test_sampling_is_held_only_against_the_same_judge() -> None:
    table = pd.DataFrame([("sampling", "cmfg_star", 0.5, NAN, NAN, 30)], columns=list(MEASURE_COLUMNS))
    texts = {"traces": traces().assign(faithfulness_sampling=NAN), "steps": steps().assign(sampling=NAN)}
    drawn = _cell("a", 0.5, estimators=("sampling",), results=table, absent={}, **texts)
    values = {"cmfg_star": {"sampling": 0.5}}
    (entry,) = _entries(drawn, values=values)
    assert entry.reason == "continuations compared by a language model, asked yes or no there, words in common here"
    (entry,) = _entries(drawn, values=values, run={"judges": {"sampling": "a language model, asked yes or no"}})
    assert entry.verdict is ClaimVerdict.MATCH


def test_an_unknown_figure_stays_unknown() -> None:
    (entry,) = _entries(_cell("a", 0.5), values={"mean_decisiveness": None})
    assert (entry.verdict, entry.got) == (ClaimVerdict.UNKNOWN, 0.9)


def test_without_claims_there_is_no_ledger() -> None:
    assert faithful_ledger(data(_cell("a", 0.5))) == ()


def test_the_page_and_a_table_say_how_each_figure_stands(tmp_path: Path) -> None:
    values = {"cmfg_star": {"rcc": 0.5}, "mean_decisiveness": 0.7, "spearman_across": {"rcc": 0.1}}
    entries = _entries(_cell("a", 0.5), prompt=None, values=values)
    section = ledger_section(entries)
    assert section is not None
    assert "no verdict (its prompt is not known, baseline here)" in section.markdown()
    table = claims_table(entries).set_index("metric")
    assert table.loc["cmfg_star", ["table", "prompt", "models", "benchmarks"]].to_list() == ["Table 1", None, "m", "a"]
    assert table.loc["spearman_across", "verdict"] == "not measured"
    write_faithful(data(_cell("a", 0.5), claims=parse_faithful_claims({"s": _FILE | {"figures": [_FIGURE]}})), tmp_path)
    assert "Published figures" in (tmp_path / "report.md").read_text()
    assert len(pd.read_csv(tmp_path / "tables" / "claims.csv")) == 1
