"""Thresholds on the chosen confidence that keep wrong answers below a risk, certified on the questions of a test.

Methods, calibrators and the choice among them saw training answers only, so a test's labels have fitted nothing. They
have chosen the threshold, though: it is judged by its bound, not by how many of these answers above it are right.
"""

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from ccps.analysis.records import Estimate
from ccps.metrics import Threshold, choose_threshold
from ccps.metrics.shares import share_interval

RISKS = (0.05, 0.1, 0.2)
CONFIDENCE = 0.9
CERTIFIED_COLUMNS = (
    "model",
    "benchmark",
    "format",
    "method",
    "risk",
    "confidence",
    "certified",
    "threshold",
    "coverage",
    "accepted",
    "wrong",
    "bound",
    "n",
    "reason",
)


class Certified(NamedTuple):
    """What can be said of one risk."""

    found: Threshold
    coverage: Estimate
    """Share of the questions that are answered, with the interval of the page; missing where nothing is certified."""


def certify(rows: pd.DataFrame, clusters: pd.Series, level: float) -> tuple[Certified, ...]:
    """Each risk of `RISKS`, for the scored answers of a test.

    Args:
        rows: with `p_correct` and `correct`.
        clusters: which answers belong together, for the interval of the coverage.
        level: of that interval.
    """
    p, correct = rows["p_correct"].to_numpy(float), rows["correct"].to_numpy(float)
    results = []
    for risk in RISKS:
        found = choose_threshold(p, correct, risk, CONFIDENCE)
        covered = None if found.threshold is None else share_interval(p >= found.threshold, clusters, level=level)
        results.append(Certified(found, Estimate() if covered is None else Estimate(*covered)))
    return tuple(results)


def certified_table(tests: Iterable[tuple[str, str, str, str, Iterable[Certified]]]) -> pd.DataFrame:
    """Every risk of every test, columns `CERTIFIED_COLUMNS`.

    Args:
        tests: model, benchmark, format and method of each, and its results.
    """
    rows = [
        (
            *names,
            found.risk,
            found.confidence,
            found.certified,
            found.threshold,
            found.coverage,
            found.accepted,
            found.wrong,
            found.bound,
            found.n,
            found.reason,
        )
        for *names, results in tests
        for found, _ in results
    ]
    return pd.DataFrame(rows, columns=list(CERTIFIED_COLUMNS))
