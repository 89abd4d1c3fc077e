"""How a run, its figures and what it left out are written down in the tables of a report of faithfulness."""

import math
from collections.abc import Iterator

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_scores import CONSTANT, HEADLINE, lost
from ccps.analysis.faithful_terms import label_of
from ccps.analysis.records import Estimate
from ccps.core.text import DASH, count, decimal, interval, percent, signed_points

DASHES = "A dash stands for what is not defined or was not computed, for the reasons below."


def caption(data: FaithfulData, cell: FaithfulCell) -> str:
    """A run, its mode, and how many traces it has."""
    n = len(cell.marks)
    return f"{cell.heading}: {count(n)} {'trace' if n == 1 else 'traces'}, mode {data.mode}."


def left_out_of(cell: FaithfulCell, pattern: str) -> str:
    """What was left out of something whose name fits the pattern; the rest bears on other tables."""
    rows = [f"{row.what}: {count(row.n)} ({row.why})" for row in lost(cell, pattern)]
    return f"{cell.heading}. Left out: {'; '.join(rows) or 'nothing'}."


def in_percent(measured: Estimate) -> str:
    """A fraction in percent with its interval, if it has one."""
    return f"{percent(measured.value)} {interval(measured.low, measured.high)}".strip()


def in_points(measured: Estimate) -> str:
    """A difference of fractions in percentage points with its interval, if it has one."""
    return _bracketed(*(signed_points(end) for end in measured[:3]))


def correlation(measured: Estimate) -> str:
    """A coefficient of two digits with its interval, if it has one."""
    return _bracketed(*(decimal(end, 2) for end in measured[:3]))


def _bracketed(value: str, low: str, high: str) -> str:
    return value if DASH in (low, high) else f"{value} [{low}, {high}]"


def estimators(cell: FaithfulCell) -> Iterator[str]:
    """Those that were computed, then those that were not."""
    yield from cell.estimators
    yield from cell.absent


def baseline(cell: FaithfulCell, name: str, known: str) -> tuple[str, str]:
    """The score of wording that knows nothing, and the excess over it."""
    return in_percent(cell.measured(name, known)), in_points(cell.measured(name, f"excess_{known}"))


def no_score(cell: FaithfulCell) -> Iterator[str]:
    """Why an estimator has no score, or one without an interval."""
    for name, why in cell.absent.items():
        yield f"{cell.heading}, {label_of(name)}: not computed: {why}."
    for name in cell.estimators:
        score, excess = cell.measured(name, HEADLINE), cell.measured(name, f"excess_{CONSTANT}")
        if not score.known:
            yield f"{cell.heading}, {label_of(name)}: no score: no trace has both decisiveness and this confidence."
        elif math.isnan(excess.low):
            yield f"{cell.heading}, {label_of(name)}: no interval: it takes traces of two questions or more."
