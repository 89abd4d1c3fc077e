"""What the number of continuations does to the score of sampling."""

from collections.abc import Iterator

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.records import Estimate
from ccps.core.text import count
from ccps.report.faithful.words import fraction
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table

_HEAD = ("Run", "Steps", "K", "cMFG*", "Excess over dealt-out words", "cMFG* less that of all draws")
_PAPER = 10


def draws_section(data: FaithfulData) -> Section | None:
    """A row for each K, of all steps and as if traces were short; None where fewer than ten were drawn."""
    cells = [cell for cell in data.cells if (cell.draws["k"] >= _PAPER).any()]
    if not cells:
        return None
    points = [_cost(cell) for cell in cells]
    table = Table("", _HEAD, [row for cell in cells for row in _rows(cell)], "ll")
    words = ["The first K continuations of each step, of the same ones; ten steps of a trace are what a short one has."]
    return Section("draws", "How many draws?", words, [table], points=points)


def _rows(cell: FaithfulCell) -> Iterator[list[str]]:
    for part, k in cell.draws[["part", "k"]].drop_duplicates().itertuples(index=False, name=None):
        values = [_measured(cell, part, k, metric) for metric in ("cmfg_star", "excess_permutation", "cost")]
        shown = (fraction(one, signed=place > 0) for place, one in enumerate(values))
        yield [cell.heading, part, count(k), *shown]


def _cost(cell: FaithfulCell) -> str:
    parts = cell.draws.loc[cell.draws["k"] == _PAPER, "part"].drop_duplicates()
    costs = [f"{fraction(_measured(cell, part, _PAPER, 'cost'), signed=True)} ({part})" for part in parts]
    return f"{cell.heading}: K = 10, the paper’s, moves cMFG* by {' and '.join(costs)}."


def _measured(cell: FaithfulCell, part: str, k: int, metric: str) -> Estimate:
    rows = cell.draws.query("part == @part and k == @k and metric == @metric").iloc[0]
    return Estimate(float(rows["value"]), float(rows["ci_low"]), float(rows["ci_high"]), float(rows["n"]))
