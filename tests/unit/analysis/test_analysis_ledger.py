import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answers import repeated

from ccps.analysis.claims import Claim, ClaimSet
from ccps.analysis.data import ReportData
from ccps.analysis.ledger import (
    ClaimVerdict,
    LedgerEntry,
    judge_claim,
    ledger,
)
from ccps.analysis.records import Estimate
from ccps.analysis.resamples import by_subject, resample
from ccps.report.kit.table import Cell
from ccps.report.published import claims_table, ledger_lines, ledger_section, write_claims

Make = Callable[..., ReportData]
MODEL, BENCHMARK = "lab/tiny_model", "MMLU-CHOICE"
GAP = Claim("s/gap", "a gap", "ccps", "auroc", "points", (MODEL,), (BENCHMARK,), -0.01, None, 0.01, "A remark.")
VALUE = replace(GAP, id="s/value", quantity="AUROC of own", method="own", scale="value", value=0.75, spread=0.1)


@pytest.mark.parametrize(
    ("value", "got", "verdict"),
    [
        (0.06, 0.065, ClaimVerdict.MATCH),
        (0.06, 0.07, ClaimVerdict.MATCH),
        (0.06, 0.0701, ClaimVerdict.DIFFERS),
        (0.06, -0.06, ClaimVerdict.DIFFERS),
        (0.06, math.nan, ClaimVerdict.NOT_MEASURED),
        (None, 0.06, ClaimVerdict.UNKNOWN),
        (None, math.nan, ClaimVerdict.UNKNOWN),
    ],
)
def test_verdicts(value: float | None, got: float, verdict: ClaimVerdict) -> None:
    entry = judge_claim(replace(GAP, value=value), "a paper", Estimate(got, got - 0.1, got + 0.1))
    assert entry.verdict is verdict
    assert entry.got == (None if math.isnan(got) else got)


def _scores(make_data: Make) -> pd.DataFrame:
    """24 right and 24 wrong answers of two subjects. In one of them the other method has one wrong answer above the
    right one of four, so that its AUROC is 2/3, and 1 else."""
    scores = make_data().scores
    scores.loc[(scores["method"] == "own") & (scores["question_id"] == "q5"), "p_correct"] = 0.6
    return repeated(scores, 6)


def _entries(make_data: Make, *claims: Claim, convention: str = "ct", **changes: Any) -> tuple[LedgerEntry, ...]:
    models, benchmarks = claims[0].models, claims[0].benchmarks
    changes = {"scores": _scores(make_data)} | changes
    data = make_data(claims=[ClaimSet("s", "a paper", "", convention, models, benchmarks, claims)], **changes)
    return ledger(data, resample(data, data.convention, by_subject(data.scores, data.convention)))


def test_gaps_and_values_are_measured_with_their_interval(make_data: Make) -> None:
    gap, value = _entries(make_data, GAP, VALUE)
    assert gap.got == pytest.approx(-0.015)
    # One of the two subjects is drawn twice in a quarter of the resamples, the other in another.
    assert (gap.low, gap.high) == pytest.approx((0.0, 1 / 3))
    assert gap.verdict is ClaimVerdict.MATCH
    assert value.got == pytest.approx(0.75)
    assert (value.verdict, value.reason) == (ClaimVerdict.MATCH, "")
    assert (value.low, value.high) == pytest.approx((2 / 3, 1.0))


def test_no_verdict_rests_on_few_answers_or_on_a_point(make_data: Make) -> None:
    few, same = make_data().scores, repeated(make_data().scores, 6)
    (entry,) = _entries(make_data, GAP, scores=few)
    assert (entry.verdict, entry.reason) == (ClaimVerdict.NONE, "too few: 4 right, 4 wrong")
    assert entry.got == pytest.approx(-0.015)
    # Each wrong answer stands below each right one by either method: AUROC is 1 in every resample.
    (entry,) = _entries(make_data, GAP, scores=same)
    assert (entry.low, entry.high, entry.verdict) == (0.0, 0.0, ClaimVerdict.NONE)
    assert entry.reason == "one value in every resample"
    section = ledger_section([entry])
    assert section is not None
    assert section.tables[1].lines[0].cells[-1] == Cell("no verdict (one value in every resample)")


def test_sets_that_nothing_is_comparable_with_are_one_line(make_data: Make) -> None:
    elsewhere = [replace(GAP, id=f"t/{place}", models=("big",)) for place in range(3)]
    entries = [*_entries(make_data, GAP), *_entries(make_data, *elsewhere)]
    section = ledger_section(entries)
    assert section is not None
    assert [row.cells[0] for row in section.tables[0].lines] == [Cell("s: a paper")]
    assert len(section.words) == 2
    assert section.words[1].startswith("Nothing in this run can be held against the published figures of t (a paper)")
    assert len(claims_table(entries)) == 4
    alone = ledger_section(entries[1:])
    assert alone is not None
    assert (len(alone.words), list(alone.tables), list(alone.notes)) == (1, [], [])


def test_a_published_gap_is_to_whatever_has_the_best_value(make_data: Make) -> None:
    """Even to a method that says the same of every answer, which a report of one's own would leave out."""
    data = make_data()
    scores = _scores(make_data)
    flat = scores[scores["method"] == "own"].assign(method="flat", p_correct=0.5)
    results = pd.concat(
        [
            data.results,
            data.results[data.results["method"] == "own"].assign(
                method="flat", value=lambda rows: rows["value"].where(rows["metric"] != "ece", 0.01)
            ),
        ]
    )
    claim = replace(GAP, metric="ece")
    (entry,) = _entries(make_data, claim, results=results, scores=pd.concat([scores, flat]))
    own = results[(results["method"] == "ccps") & (results["metric"] == "ece")]["value"].mean()
    assert entry.got == pytest.approx(own - 0.01)


def test_a_run_that_covers_more_is_compared_over_what_was_published(make_data: Make) -> None:
    data = make_data()
    worse = data.results.assign(benchmark="Other", value=data.results["value"] / 2)
    more = {
        "results": pd.concat([data.results, worse]),
        "scores": pd.concat([data.scores, data.scores.assign(benchmark="Other")]),
    }
    (entry,) = _entries(make_data, VALUE, **more)
    assert entry.got == pytest.approx(0.75)
    (both,) = _entries(make_data, replace(VALUE, benchmarks=(BENCHMARK, "Other")), **more)
    assert both.got == pytest.approx((0.75 + 0.375) / 2)


def test_what_is_not_measured_says_why(make_data: Make) -> None:
    elsewhere = replace(GAP, models=("big",), benchmarks=("b",))
    (entry,) = _entries(make_data, elsewhere)
    assert (entry.verdict, entry.got) == (ClaimVerdict.NOT_MEASURED, None)
    assert entry.reason == "this run covers lab/tiny_model on MMLU-CHOICE, the publication big on b"
    (absent,) = _entries(make_data, replace(VALUE, method="litcab"))
    assert absent.reason == "litcab was not run"
    (alone,) = _entries(make_data, GAP, controls=["own"])
    assert alone.reason.startswith("a value is missing")


def test_ece_is_compared_under_the_convention_of_the_publication(make_data: Make) -> None:
    claim = replace(VALUE, metric="ece", value=0.3)
    (missing,) = _entries(make_data, claim, convention="p_correct")
    assert missing.reason == "the published ECE is by the convention p_correct, which this run does not use"
    other = make_data().results.assign(convention="p_correct", value=0.3)
    (found,) = _entries(make_data, claim, convention="p_correct", results_other=other)
    assert found.got == pytest.approx(0.3)
    assert found.verdict is ClaimVerdict.MATCH
    assert found.low is not None
    (same,) = _entries(make_data, replace(claim, metric="brier"), convention="p_correct", results_other=other)
    assert same.got == pytest.approx(0.2)


def test_written_ledger_holds_expected_got_interval_and_verdict(make_data: Make, tmp_path: Path) -> None:
    entries = _entries(make_data, GAP, VALUE, replace(VALUE, id="s/unknown", value=None, spread=None))
    rows = json.loads(write_claims(entries, tmp_path / "claims.json").read_text())
    assert [row["verdict"] for row in rows] == ["match", "match", "unknown"]
    assert (rows[1]["expected"], rows[1]["spread"], rows[1]["source"]) == (0.75, 0.1, "a paper")
    assert (rows[1]["ci_low"], rows[1]["ci_high"]) == pytest.approx((2 / 3, 1.0))
    assert rows[1]["models"] == [MODEL]
    assert rows[2]["expected"] is None
    assert rows[2]["got"] == pytest.approx(0.75)


def test_unknown_figures_are_counted_and_not_listed(make_data: Make) -> None:
    unknown = [replace(VALUE, id=f"s/{place}", value=None, spread=None) for place in range(500)]
    entries = _entries(make_data, GAP, VALUE, *unknown)
    lines = ledger_lines(entries)
    assert lines[0] == "s (a paper): 502 figures: 2 match, 500 unknown"
    assert len(lines) == 1 + 1 + 2
    assert [line.split()[0] for line in lines[1:]] == ["figure", "s/gap", "s/value"]
    assert "75.0 % ± 10.0" in lines[3]
    section = ledger_section(entries)
    assert section is not None
    assert section.tables[0].rows == [("s: a paper", "502", "2", "0", "0", "500")]
    assert len(section.tables[1].rows) == 2
    assert section.notes == ["s: A remark."]
    assert ledger_section(()) is None
