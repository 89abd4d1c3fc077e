"""How methods do on questions of a source that they were not trained on, beside the strongest untrained one."""

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ccps.analysis.data import ReportData
from ccps.analysis.labelling import RANKED, Answered, Labelling, Measured, labellings, less, measure
from ccps.analysis.support import POINT, Behind, is_point
from ccps.analysis.verdict import Standing, standing
from ccps.metrics.resampling import percentile_ends

SHIFT_COLUMNS = (
    "model",
    "format",
    "source",
    "method",
    "k",
    "draws",
    "n",
    "metric",
    "value",
    "low",
    "high",
    "other",
    "difference",
    "difference_low",
    "difference_high",
    "reservation",
)
COMPARED = (RANKED, "brier", "ece")
MOST_LABELS = 100
"""Labels of the source that all methods are given alike; fewer where it has fewer than twice as many answers."""


class ShiftTally(NamedTuple):
    """On how many sources a method stands how to the untrained one, by one metric."""

    better: int
    level: int
    worse: int
    none: int


def shifts(data: ReportData) -> pd.DataFrame:
    """Every method on every source left out, without a label and with some, columns `SHIFT_COLUMNS`.

    In each draw k answers of the source are labelled, the same for all methods; each gets its own intercept from them
    and is tested on the others, as test questions are in `ccps.analysis.few_labels`. Intervals cover which were
    labelled and which were asked, not the luck of a training. A difference is method − other, on the answers that both
    score; the untrained method itself has none.
    """
    rows: list[tuple[Any, ...]] = []
    for (model, form, source), table in data.shifts.groupby(["model", "format", "source"], sort=False):
        questions = np.sort(table["question_id"].unique())
        k = min(MOST_LABELS, len(questions) // 2)
        rng = np.random.default_rng([data.resampling_seed, zlib.crc32(f"labels of {source}".encode())])
        drawn = labellings(np.arange(len(questions)), [0, k], data.label_draws, rng)
        methods = {
            str(name): _answered(own, questions, data.label_draws) for name, own in table.groupby("method", sort=False)
        }
        rival = next((name for name in data.untrained.get(str(form), ()) if name in methods), None)
        for count, labelling in zip((0, k), drawn, strict=True):
            for method, answered in methods.items():
                if not answered.known.any():
                    continue
                against = methods[rival] if rival is not None and rival != method else None
                for row in _rows(data, answered, against, labelling):
                    metric, n, *own, apart, why = row
                    other = rival if against is not None else ""
                    place = (model, form, source, method, count, data.label_draws, n)
                    rows.append((*place, metric, *own, other, *apart, why))
    return pd.DataFrame(rows, columns=list(SHIFT_COLUMNS))


def _answered(rows: pd.DataFrame, questions: "np.typing.NDArray[Any]", draws: int) -> Answered:
    own = rows.set_index("question_id").reindex(questions)
    p, correct = own["p_correct"].to_numpy(float), own["correct"].fillna(value=False).to_numpy(float)
    return Answered(p[None, :], correct, np.ones((draws, 1)))


def _rows(data: ReportData, one: Answered, other: Answered | None, labelling: Labelling) -> Iterator[tuple[Any, ...]]:
    """Metric, answers, value with its interval, the difference with its own, and why there is no verdict."""
    found, apart = measure(one, labelling), None
    if other is not None:
        both = one.known & other.known
        apart = less(measure(one, labelling, both), measure(other, labelling, both))
    right = int(one.correct[one.known].sum())
    few = Behind(right, int(one.known.sum()) - right).too_few
    for metric in COMPARED:
        why = few or (POINT if apart is not None and is_point(apart.drawn[metric]) else "")
        yield metric, round(found.n), *_ends(data, found, metric), _ends(data, apart, metric), why


def _ends(data: ReportData, measured: Measured | None, metric: str) -> tuple[float, float, float]:
    if measured is None:
        return (np.nan, np.nan, np.nan)
    return (measured.value[metric], *percentile_ends(measured.drawn[metric], data.level))


def tally(table: pd.DataFrame) -> dict[tuple[str, str], ShiftTally]:
    """How often each method stands how to the untrained one, by method and metric.

    Args:
        table: rows of `shifts` of one model, format and number of labels.
    """
    found: dict[tuple[str, str], list[Standing]] = {}
    for row in table[table["other"] != ""].itertuples(index=False):
        kind = standing(row.metric, row.difference_low, row.difference_high, row.reservation)
        found.setdefault((row.method, row.metric), []).append(kind)
    wanted = (Standing.BETTER, Standing.LEVEL, Standing.WORSE)
    return {
        key: ShiftTally._make([*(kinds.count(kind) for kind in wanted), sum(kind not in wanted for kind in kinds)])
        for key, kinds in found.items()
    }


def ahead_on(table: pd.DataFrame, method: str) -> list[str]:
    """The sources on which a method is better than the untrained one by all metrics that are compared."""
    own = table[(table["method"] == method) & (table["other"] != "")]
    return [
        str(source)
        for source, rows in own.groupby("source", sort=False)
        if all(
            standing(row.metric, row.difference_low, row.difference_high, row.reservation) is Standing.BETTER
            for row in rows.itertuples(index=False)
        )
    ]
