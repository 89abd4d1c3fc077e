"""A small hand-made experiment: two methods, two subjects, two seeds of the reference."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from report_tables import BENCHMARK, MODEL, differences_frame, report_data

from ccps.analysis.data import AGREEMENT_COLUMNS, DISAGREEMENT_COLUMNS, ReportData


@pytest.fixture
def differences() -> Callable[..., pd.DataFrame]:
    """Rows (metric, other, value, ci_low, ci_high) as a table of differences ccps − other."""
    return differences_frame


@pytest.fixture(scope="session")
def make_data() -> Callable[..., ReportData]:
    """A complete report, any field replaced."""
    return report_data


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
