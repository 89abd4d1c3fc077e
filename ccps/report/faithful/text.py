"""How a run and its figures are written down in the tables of a report of faithfulness."""

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.records import Estimate
from ccps.core.text import DASH, count, decimal, interval, percent, signed_points

DASHES = "A dash stands for what is not defined; “What was left out” says why."


def caption(data: FaithfulData, cell: FaithfulCell) -> str:
    """A run, its mode, and how many traces it has."""
    n = len(cell.marks)
    return f"{cell.heading}: {count(n)} {'trace' if n == 1 else 'traces'}, mode {data.mode}."


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


def baseline(cell: FaithfulCell, name: str, known: str) -> tuple[str, str]:
    """The score of wording that knows nothing, and the excess over it."""
    return in_percent(cell.measured(name, known)), in_points(cell.measured(name, f"excess_{known}"))
