"""Results gathered into the blocks of the main table: one block per setting, one row per method."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ccps.report.data import ordered_methods
from ccps.report.terms import METRICS, Metric
from ccps.report.text import DASH, count_range, interval, percent

NOT_RUN = "not run"
NO_REASON = "no value was recorded, and no reason"


@dataclass(frozen=True)
class Cell:
    """One metric of one method.

    Attributes:
        value: mean over seeds, a fraction; NaN when missing.
        low: mean over seeds of the lower ends of the intervals; NaN when missing.
        high: the same of the upper ends.
        seed_values: the value of each seed, in the order of the table.
        bold: best of its column, and clearly so.
        reason: why the value is missing; empty when it is not.
    """

    value: float
    low: float
    high: float
    seed_values: tuple[float, ...]
    bold: bool
    reason: str

    @property
    def value_text(self) -> str:
        """The value in percent, or a dash."""
        return percent(self.value)

    @property
    def interval_text(self) -> str:
        """The interval in percent, or nothing."""
        return interval(self.low, self.high)

    @property
    def range_text(self) -> str:
        """Lowest–highest seed in percent."""
        return DASH if self.reason else f"{percent(min(self.seed_values))}–{percent(max(self.seed_values))}"


@dataclass(frozen=True)
class Row:
    """One method; `cells` in the order of `METRICS`, `seeds` how many trainings are averaged (0 for none)."""

    method: str
    cells: tuple[Cell, ...]
    seeds: int
    n: str


@dataclass(frozen=True)
class Block:
    """All methods on one benchmark with one model."""

    model: str
    benchmark: str
    format: str
    rows: tuple[Row, ...]

    def missing(self) -> list[tuple[str, str, str]]:
        """(method, metric label, reason) of every value that is missing."""
        return [
            (row.method, metric.label, cell.reason)
            for row in self.rows
            for metric, cell in zip(METRICS, row.cells, strict=True)
            if cell.reason
        ]


def summarise(results: pd.DataFrame, differences: pd.DataFrame, reference: str) -> tuple[Block, ...]:
    """Average the results over seeds and mark the best of each column.

    A mean over seeds is missing when any seed is. The best of a column is bold only where the paired interval
    of its difference to the reference, or for the reference to every other method, excludes 0.

    Args:
        results: columns `RESULT_COLUMNS`, optionally `reason`.
        differences: columns `DIFFERENCE_COLUMNS`, reference − other; empty for no bold.
        reference: method the differences are taken from.
    """
    methods = ordered_methods(results, reference)
    blocks = []
    for (model, benchmark), table in results.groupby(["model", "benchmark"], sort=False):
        clear = _clear_gaps(differences, str(model), str(benchmark))
        columns = [_column(table, metric, methods, clear, reference) for metric in METRICS]
        rows = tuple(
            _row(table[table["method"] == method], method, tuple(column[method] for column in columns))
            for method in methods
        )
        blocks.append(Block(str(model), str(benchmark), str(table["format"].iloc[0]), rows))
    return tuple(blocks)


def _row(table: pd.DataFrame, method: str, cells: tuple[Cell, ...]) -> Row:
    return Row(method, cells, int(table["seed"].nunique()), count_range(table["n"].tolist()))


def _clear_gaps(differences: pd.DataFrame, model: str, benchmark: str) -> set[tuple[str, str]]:
    """(metric, other) of each difference whose interval excludes 0."""
    here = differences[(differences["model"] == model) & (differences["benchmark"] == benchmark)]
    clear = here[(here["ci_low"] > 0) | (here["ci_high"] < 0)]
    return {(str(metric), str(other)) for metric, other in clear[["metric", "other"]].itertuples(index=False)}


def _column(
    table: pd.DataFrame, metric: Metric, methods: Sequence[str], clear: set[tuple[str, str]], reference: str
) -> Mapping[str, Cell]:
    rows = table[table["metric"] == metric.name]
    cells = {method: _cell(rows[rows["method"] == method]) for method in methods}
    values = {method: cell.value for method, cell in cells.items() if not cell.reason}
    if len(values) < 2:
        return cells
    best = (min if metric.lower_is_better else max)(values, key=lambda method: values[method])
    rivals = [method for method in values if method != best] if best == reference else [best]
    if all((metric.name, rival) in clear for rival in rivals):
        cells[best] = Cell(**{**vars(cells[best]), "bold": True})
    return cells


def _cell(rows: pd.DataFrame) -> Cell:
    if rows.empty:
        return Cell(math.nan, math.nan, math.nan, (), False, NOT_RUN)
    mean = rows[["value", "ci_low", "ci_high"]].astype(float).mean(skipna=False)
    reason = ""
    if math.isnan(mean["value"]):
        given = rows.loc[rows["value"].isna(), "reason"].dropna() if "reason" in rows else ()
        reason = "; ".join(dict.fromkeys(str(text) for text in given)) or NO_REASON
    return Cell(
        float(mean["value"]),
        float(mean["ci_low"]),
        float(mean["ci_high"]),
        tuple(float(value) for value in rows["value"]),
        False,
        reason,
    )
