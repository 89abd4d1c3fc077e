"""A small hand-made experiment: two methods, two subjects, two seeds of the reference."""

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ccps.analysis.data import (
    AGREEMENT_COLUMNS,
    COST_COLUMNS,
    COUNT_COLUMNS,
    DIFFERENCE_COLUMNS,
    DISAGREEMENT_COLUMNS,
    RESULT_COLUMNS,
    ReportData,
)
from ccps.analysis.records import Example, Fact

MODEL, BENCHMARK = "lab/tiny_model", "MMLU-CHOICE"
VALUES = {"ece": 0.123, "brier": 0.2, "acc": 0.7, "aucpr": 0.8, "auroc": 0.75}


def _result(method: str, seed: int | None, metric: str, value: float) -> tuple[Any, ...]:
    return (MODEL, BENCHMARK, "mc", method, seed, metric, value, value - 0.01, value + 0.02, 8)


def _results() -> pd.DataFrame:
    rows = [_result("own", None, metric, value) for metric, value in VALUES.items()]
    for seed in (0, 1):
        rows += [_result("ccps", seed, metric, value - 0.02 + 0.01 * seed) for metric, value in VALUES.items()]
    return pd.DataFrame(rows, columns=RESULT_COLUMNS)


def _scores() -> pd.DataFrame:
    correct = [True, False, True, True, False, True, False, False]
    p_ccps = [0.9, 0.2, 0.8, 0.6, 0.4, 0.7, 0.1, 0.55]
    rows = []
    for method, seed, shift in (("ccps", 0, 0.0), ("ccps", 1, 0.05), ("own", None, 0.08)):
        for index, (right, p) in enumerate(zip(correct, p_ccps, strict=True)):
            subject = "abstract_algebra" if index < 4 else "anatomy"
            rows.append((f"q{index}", subject, MODEL, BENCHMARK, method, seed, p + shift, right))
    columns = ["question_id", "subject", "model", "benchmark", "method", "seed", "p_correct", "correct"]
    return pd.DataFrame(rows, columns=columns)


def differences_frame(*rows: tuple[str, str, float, float, float]) -> pd.DataFrame:
    full = [(MODEL, BENCHMARK, metric, "ccps", other, *ends, math.nan, math.nan, "") for metric, other, *ends in rows]
    return pd.DataFrame(full, columns=DIFFERENCE_COLUMNS)


@pytest.fixture
def differences() -> Callable[..., pd.DataFrame]:
    """Rows (metric, other, value, ci_low, ci_high) as a table of differences ccps − other."""
    return differences_frame


@pytest.fixture(scope="session")
def make_data() -> Callable[..., ReportData]:
    """A complete report, any field replaced."""

    def make(**changes: Any) -> ReportData:
        fields: dict[str, Any] = {
            "title": "A <tiny> run",
            "question": "Does it work?",
            "results": _results(),
            "scores": _scores(),
            "costs": pd.DataFrame(
                [("answer", 12.5, 1000, 2_000_000, 3e9, 8, True), ("fit", 1.25, None, 10, None, None, False)],
                columns=COST_COLUMNS,
            ),
            "counts": pd.DataFrame([("Answers left out", 2, "No letter & no text.")], columns=COUNT_COLUMNS),
            "run": {"config": {"seed": 0}, "commit": "abc"},
            "facts": [Fact("Test questions", "8")],
            "own_method": "own",
            "method_labels": {"ccps": "CCPS", "own": "Own p_100%"},
            "examples": [Example("Surest and wrong", "1 < 2 & 3?", ("a", "b"), "a", "b", False, 0.9, None)],
        }
        return ReportData(**(fields | changes))

    return make


def agreement_frame(**changes: Any) -> pd.DataFrame:
    """One pair of graders on 100 answers: 0.85 agree, 0.5 by chance, so κ = 0.35 / 0.5 = 0.7."""
    row: dict[str, Any] = {
        "model": MODEL,
        "benchmark": BENCHMARK,
        "grader": "normalised",
        "other": "f1",
        "n": 100,
        "unknown_grader": 0,
        "unknown_other": 0,
        "both_right": 40,
        "only_grader": 10,
        "only_other": 5,
        "both_wrong": 45,
        "agreement": 0.85,
        "kappa": 0.7,
        "kappa_low": 0.5612,
        "kappa_high": 0.8388,
        "note": "",
    }
    return pd.DataFrame([row | changes], columns=list(AGREEMENT_COLUMNS))


def disagreement_frame(*rows: dict[str, Any]) -> pd.DataFrame:
    """One row per mapping, whatever it leaves out filled in; the deciding grader says right."""
    full = [
        {
            "model": MODEL,
            "benchmark": BENCHMARK,
            "question_id": f"q{place}",
            "question": f"question {place}",
            "accepted": "seven | 7",
            "answer": "vii",
            "grader": "normalised",
            "says": "right",
            "other": "f1",
            "other_says": "wrong",
        }
        | row
        for place, row in enumerate(rows)
    ]
    return pd.DataFrame(full, columns=list(DISAGREEMENT_COLUMNS))


@pytest.fixture(scope="session")
def agreement() -> Callable[..., pd.DataFrame]:
    """A table of one pair of graders, any column replaced."""
    return agreement_frame


@pytest.fixture(scope="session")
def disagreements() -> Callable[..., pd.DataFrame]:
    """A table of disagreements from what is particular to each."""
    return disagreement_frame
