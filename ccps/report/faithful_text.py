"""How a run, its figures and what it left out are written down in the tables of a report of faithfulness."""

import re

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.records import Estimate
from ccps.core.text import DASH, count, decimal, interval, percent, signed_points

# What was left out of accuracy or of correlations bears on their tables alone; matched with `what` in `dropped`.
OF_ANSWERS = "accuracy|mean_decisiveness"
OF_SCORES = f"^(?!.*({OF_ANSWERS}|spearman|mean_|gap))"
OF_SUPPORT = f"^(?!.*({OF_ANSWERS}))"
DASHES = "A dash stands for what is not defined or was not computed, for the reasons below."


def caption(data: FaithfulData, cell: FaithfulCell) -> str:
    """A run, its mode, and how many traces it has."""
    n = len(cell.marks)
    return f"{cell.heading}: {count(n)} {'trace' if n == 1 else 'traces'}, mode {data.mode}."


def left_out_of(cell: FaithfulCell, pattern: str) -> str:
    """What was left out of something whose name fits the pattern; the rest bears on other tables."""
    lost = [
        f"{row.what}: {count(float(row.n))} ({row.why})"
        for row in cell.dropped.itertuples(index=False)
        if re.search(pattern, str(row.what))
    ]
    return f"{cell.heading}. Left out: {'; '.join(lost) or 'nothing'}."


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
