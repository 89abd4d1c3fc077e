"""Results gathered into the main tables: one per setting, one row per method, the best of each column marked."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.analysis.data import RESULT_COLUMNS, ordered_methods
from ccps.analysis.records import Setting, empty
from ccps.analysis.resamples import Resamples
from ccps.core.text import count_range
from ccps.metrics import CONTEST, Metric

FloatArray = npt.NDArray[np.float64]

NOT_RUN = "not run, or it scored no answer"
NO_REASON = "no value was recorded, and no reason"


@dataclass(frozen=True)
class MetricCell:
    """One metric of one method.

    Attributes:
        value: mean over seeds, a fraction; NaN when missing.
        low: lower end of its interval; NaN when missing.
        high: upper end.
        seed_values: the value of each seed that has one, in the order of the table.
        bold: best of its column, and clearly so.
        reason: why the value is missing; empty when it is not.
        left_out: seeds that have no value, and that the mean leaves out.
        behind: where the value is that of all seeds together, the values of the single ones.
    """

    value: float
    low: float
    high: float
    seed_values: tuple[float, ...]
    bold: bool
    reason: str
    left_out: int = 0
    behind: tuple[float, ...] = ()


@dataclass(frozen=True)
class MethodRow:
    """One method; `cells` in the order of the table's `metrics`, `seeds` how many trainings are behind it (0: none).

    A `control` is not among those that are compared for the best.
    """

    method: str
    cells: tuple[MetricCell, ...]
    seeds: int
    n: str
    control: bool


@dataclass(frozen=True)
class MainTable:
    """All methods on one benchmark with one model, by some metrics."""

    model: str
    benchmark: str
    format: str
    rows: tuple[MethodRow, ...]
    metrics: tuple[Metric, ...]

    def missing(self) -> list[tuple[str, str, str]]:
        """(method, metric label, reason) of every value that is missing."""
        return [
            (row.method, metric.label, cell.reason)
            for row in self.rows
            for metric, cell in zip(self.metrics, row.cells, strict=True)
            if cell.reason
        ]

    def partial(self) -> list[tuple[str, str, int, int]]:
        """(method, metric label, seeds that count, seeds) of every mean that leaves seeds out."""
        return [
            (row.method, metric.label, len(cell.seed_values), len(cell.seed_values) + cell.left_out)
            for row in self.rows
            for metric, cell in zip(self.metrics, row.cells, strict=True)
            if cell.left_out
        ]


def summarise(
    results: pd.DataFrame,
    reference: str,
    controls: Collection[str] = (),
    resamples: Resamples | None = None,
    metrics: Mapping[str, Metric] = CONTEST,
    single_seeds: pd.DataFrame | None = None,
) -> tuple[MainTable, ...]:
    """Average the results over seeds and mark the best of each column.

    A mean over seeds is missing when any seed is; one of AUROC or AUCPR leaves out a seed that is a constant, and the
    cell counts it. The best of a column is bold only where the paired interval of its difference to every other method
    excludes 0. Controls come last and are left out of this, as are metrics that methods are not
    compared by.

    Args:
        results: columns `RESULT_COLUMNS`, optionally `reason`.
        reference: method that comes first.
        controls: methods that are no rivals.
        resamples: where the intervals of means over several seeds and of differences come from; without it the ends of
            the former are means, and nothing is bold.
        metrics: the columns.
        single_seeds: columns `RESULT_COLUMNS`, of the seeds of which `results` have all together.
    """
    methods = ordered_methods(results, reference, controls)
    tables = []
    for (model, benchmark), here in results.groupby(["model", "benchmark"], sort=False):
        setting = Setting(str(model), str(benchmark))
        behind, columns = _behind(single_seeds, setting), []
        rows, single = _Rows(here), _Rows(behind)
        for metric in metrics.values():
            cells = {
                method: replace(
                    _cell(*rows.of(metric.name, method), metric), behind=_known(single.of(metric.name, method)[0][:, 0])
                )
                for method in methods
            }
            if resamples is not None:
                cells = _redrawn(cells, resamples, setting, metric)
                cells = _marked(cells, resamples, setting, metric, controls) if metric.in_contest else cells
            columns.append(cells)
        row_of = {method: here[here["method"] == method] for method in methods}
        rows_ = tuple(
            MethodRow(
                method,
                tuple(column[method] for column in columns),
                int(behind.loc[behind["method"] == method, "seed"].nunique() or row_of[method]["seed"].nunique()),
                count_range(row_of[method]["n"].tolist()),
                method in controls,
            )
            for method in methods
        )
        tables.append(MainTable(*setting, str(here["format"].iloc[0]), rows_, tuple(metrics.values())))
    return tuple(tables)


def _behind(single_seeds: pd.DataFrame | None, setting: Setting) -> pd.DataFrame:
    """Those of one setting; of an average over settings there are none."""
    found = empty(RESULT_COLUMNS) if single_seeds is None else single_seeds
    return found[(found["model"] == setting.model) & (found["benchmark"] == setting.benchmark)]


def _redrawn(
    cells: Mapping[str, MetricCell], resamples: Resamples, setting: Setting, metric: Metric
) -> dict[str, MetricCell]:
    """The intervals of means over several seeds replaced by ones that cover the seeds as well as the questions."""
    new = dict(cells)
    for method, cell in cells.items():
        if len(cell.seed_values) > 1 and not cell.reason:
            low, high = resamples.ends(resamples.of(setting, method, metric.name))
            new[method] = replace(cell, low=low, high=high)
    return new


def _marked(
    cells: Mapping[str, MetricCell], resamples: Resamples, setting: Setting, metric: Metric, controls: Collection[str]
) -> dict[str, MetricCell]:
    """The best of a column bold, if it is clearly better than every other."""
    values = {method: cell.value for method, cell in cells.items() if not cell.reason and method not in controls}
    if len(values) < 2:
        return dict(cells)
    best = (min if metric.lower_is_better else max)(values, key=lambda method: values[method])
    rivals = [method for method in values if method != best]
    if not all(_differ(resamples, setting, metric.name, best, rival) for rival in rivals):
        return dict(cells)
    return {**cells, best: replace(cells[best], bold=True)}


def _differ(resamples: Resamples, setting: Setting, metric: str, first: str, second: str) -> bool:
    """Whether the interval of the paired difference of two methods excludes 0, and is one that may be relied on."""
    a, b = (resamples.of(setting, method, metric) for method in (first, second))
    if a is None or b is None:
        return False
    found = resamples.estimate(0.0, a - b, [(setting, first), (setting, second)])
    return not found.reservation and (found.low > 0 or found.high < 0)


class _Rows:
    """The rows of a table by metric and method; to ask the table itself for each cell takes ten times as long.

    Args:
        table: columns `RESULT_COLUMNS`, optionally `reason`.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._numbers = table[["value", "ci_low", "ci_high"]].to_numpy(dtype=np.float64)
        self._reasons = table["reason"].tolist() if "reason" in table else [None] * len(table)
        self._places = defaultdict[tuple[Any, Any], list[int]](list)
        for place, key in enumerate(zip(table["metric"], table["method"], strict=True)):
            self._places[key].append(place)

    def of(self, metric: str, method: str) -> tuple[FloatArray, list[Any]]:
        """Value and ends of each row, `[rows, 3]`, and its reason, if it has one."""
        places = self._places.get((metric, method), [])
        return self._numbers[places], [self._reasons[place] for place in places]


def _cell(numbers: FloatArray, reasons: Sequence[Any], metric: Metric) -> MetricCell:
    if not len(numbers):
        return MetricCell(math.nan, math.nan, math.nan, (), False, NOT_RUN)
    value, low, high = (_mean(column, without_missing=metric.ranks) for column in numbers.T)
    values, known = numbers[:, 0], _known(numbers[:, 0])
    reason = ""
    if math.isnan(value):
        given = [text for text, own in zip(reasons, values, strict=True) if math.isnan(own) and not pd.isna(text)]
        reason = "; ".join(dict.fromkeys(map(str, given))) or NO_REASON
    return MetricCell(
        value,
        low,
        high,
        tuple(values.tolist()) if reason else known,
        False,
        reason,
        0 if reason else len(values) - len(known),
    )


def _known(values: FloatArray) -> tuple[float, ...]:
    """Those that are not missing."""
    return tuple(values[~np.isnan(values)].tolist())


def _mean(values: FloatArray, *, without_missing: bool) -> float:
    kept = values[~np.isnan(values)] if without_missing else values
    return float(kept.mean()) if len(kept) else math.nan
