"""Small hand-made experiments for the main report."""

import math
from typing import Any

import numpy as np
import pandas as pd

from ccps.analysis.data import (
    AGREEMENT_COLUMNS,
    CHOICE_COLUMNS,
    COST_COLUMNS,
    COUNT_COLUMNS,
    DIFFERENCE_COLUMNS,
    DISAGREEMENT_COLUMNS,
    RESULT_COLUMNS,
    SCORE_COLUMNS,
    ReportData,
)
from ccps.analysis.records import Example, Fact

MODEL, BENCHMARK = "lab/tiny_model", "MMLU-CHOICE"
VALUES = {"ece": 0.123, "brier": 0.2, "acc": 0.7, "aucpr": 0.8, "auroc": 0.75}

METHODS = ["ccps", "own", *(f"m{place}" for place in range(12))]
TESTS = {"mmlu": "mc", "mmlu_oe": "oe"}
N = 120


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
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def differences_frame(*rows: tuple[str, str, float, float, float]) -> pd.DataFrame:
    """Rows (metric, other, value, ci_low, ci_high) as a table of differences ccps − other."""
    full = [(MODEL, BENCHMARK, metric, "ccps", other, *ends, math.nan, math.nan, "") for metric, other, *ends in rows]
    return pd.DataFrame(full, columns=DIFFERENCE_COLUMNS)


def report_data(**changes: Any) -> ReportData:
    """A complete report of two methods, two subjects and two seeds of the reference, any field replaced."""
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


def chosen_report(**changes: Any) -> ReportData:
    """Two formats and fourteen methods; the chosen one is as good as the model's own probability."""
    rng = np.random.default_rng(3)
    scores: list[tuple[Any, ...]] = []
    results: list[tuple[Any, ...]] = []
    for test, form in TESTS.items():
        y = rng.random(N) < 0.45
        base = 0.45 + 0.15 * np.where(y, 1, -1) + rng.normal(0, 0.2, N)
        for method in METHODS:
            p = np.clip(base + rng.normal(0, 0.02, N), 0.01, 0.99)
            scores += [(f"q{i}", f"s{i % 12}", "m", test, method, None, p[i], bool(y[i])) for i in range(N)]
            values = {"ece": 0.1, "brier": 0.2, "acc": 0.7, "aucpr": 0.7, "auroc": 0.7}
            results += [("m", test, form, method, None, name, value, value, value, N) for name, value in values.items()]
    choice = [
        ("m", form, method, "", 0.2, 0.19, 0.21, 400, 5, method == "ccps")
        for form in TESTS.values()
        for method in METHODS
    ]
    fields: dict[str, Any] = {
        "scores": pd.DataFrame(scores, columns=list(SCORE_COLUMNS)),
        "results": pd.DataFrame(results, columns=list(RESULT_COLUMNS)),
        "choice": pd.DataFrame(choice, columns=list(CHOICE_COLUMNS)),
        "unfitted": ["own", *METHODS[-3:]],
        "resamples": 100,
    }
    return report_data(**(fields | changes))


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
