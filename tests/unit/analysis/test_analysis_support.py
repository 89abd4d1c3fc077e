"""A verdict rests on enough answers of either kind, and on resamples that are no point."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ccps.analysis.averages import headlines
from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.analysis.support import POINT, Behind, behind, is_point, why_no_verdict
from ccps.analysis.verdict import Standing
from ccps.metrics import evaluate
from ccps.report.main.differences import differences_section
from ccps.report.main.headline import headline_lines, headline_section

Make = Callable[..., ReportData]
HERE, THERE = Setting("m", "boats"), Setting("m", "birds")
SPREAD = np.linspace(0, 1, 9)


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [(20, 20, ""), (19, 20, "too few: 19 right"), (400, 3, "too few: 3 wrong"), (0, 1, "too few: 0 right, 1 wrong")],
)
def test_twenty_of_either_kind_are_enough(right: int, wrong: int, words: str) -> None:
    assert Behind(right, wrong).too_few == words


def test_answers_are_counted_once_whatever_the_seeds() -> None:
    rows = [("m", "boats", method, f"q{place}", place < 3) for method in ("a", "a", "b") for place in range(5)]
    scores = pd.DataFrame(rows, columns=["model", "benchmark", "method", "question_id", "correct"])
    assert behind(scores) == {(HERE, "a"): Behind(3, 2), (HERE, "b"): Behind(3, 2)}


def test_the_rarest_kind_of_all_that_is_compared_decides() -> None:
    known = {(HERE, "a"): Behind(50, 60), (HERE, "b"): Behind(12, 60), (THERE, "a"): Behind(30, 5)}
    assert why_no_verdict(known, [(HERE, "a")], SPREAD) == ""
    assert why_no_verdict(known, [(HERE, "a"), (HERE, "b")], SPREAD) == "too few: 12 right"
    assert why_no_verdict(known, [(HERE, "a"), (THERE, "a")], SPREAD) == "too few: 5 wrong on birds"
    assert why_no_verdict(known, [(HERE, "a")], np.full(9, 0.5)) == POINT


def test_resamples_of_one_value_are_a_point_whatever_is_undefined() -> None:
    assert is_point(np.array([0.5, np.nan, 0.5 + 1e-12]))
    assert not is_point(np.array([0.5, 0.6]))
    assert not is_point(np.array([np.nan, np.nan]))


def test_a_difference_that_one_right_answer_makes_is_not_called_better(make_data: Make) -> None:
    """One right answer of 60, first by one method and in the middle by the other: +50.0 [+50.0, +50.0] of AUROC."""
    correct = np.arange(60) == 30
    p: dict[str, Any] = {"ccps": np.where(correct, 0.9, 0.1 + np.arange(60) / 1000), "own": np.linspace(0.1, 0.6, 60)}
    tables, rows = [], []
    for method, values in p.items():
        table = pd.DataFrame({"question_id": [f"q{n}" for n in range(60)], "p_correct": values, "correct": correct})
        tables.append(table.assign(model="m", benchmark="boats", method=method, seed=None, subject="s"))
        rows += [
            ("m", "boats", "mc", method, None, *pair, np.nan, np.nan, 60) for pair in evaluate(values, correct).items()
        ]
    columns = ["model", "benchmark", "format", "method", "seed", "metric", "value", "ci_low", "ci_high", "n"]
    data = make_data(results=pd.DataFrame(rows, columns=columns), scores=pd.concat(tables, ignore_index=True))
    found = Findings(data)
    (auroc,) = [one for one in found.verdict.comparisons if one.metric == "auroc"]
    assert auroc.value == pytest.approx(0.5, abs=0.02)
    assert auroc.low > 0.3
    assert (auroc.standing, auroc.reservation) == (Standing.NONE, "too few: 1 right")
    assert found.verdict.conclusion == "No verdict on whether CCPS is better than Own p_100%: too few: 1 right."
    assert not any(cell.bold for table in found.tables for row in table.rows for cell in row.cells)
    headline = next(one for one in headlines(data, found.resamples) if one.metric == "auroc")
    assert headline_lines([headline], "ccps")[0].endswith("(too few: 1 right)")
    for section in (differences_section(found), headline_section(found)):
        assert section is not None
        assert "too few: 1 right" in section.markdown()
    assert found.differences["detectable"].isna().all()
