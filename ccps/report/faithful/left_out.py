"""Everything that was left out of something, or could not be had, in one table."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_scores import CONSTANT, HEADLINE
from ccps.analysis.faithful_terms import label_of
from ccps.core.text import count, listed
from ccps.estimators.base import ESTIMATORS
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table


class _Omission(NamedTuple):
    what: str
    why: str
    n: float = math.nan
    """How many; NaN where there is nothing to count."""


def left_out_section(data: FaithfulData) -> Section:
    """What, why, how often and of which runs; then what else there is to say.

    What several runs have in common is one row. Runs taken together have no rows of their own: theirs are the sums.
    """
    cells = data.single
    runs: dict[_Omission, list[str]] = {}
    for cell in cells:
        for one in _omissions(cell):
            runs.setdefault(one, []).append(cell.heading)
    rows = [[one.what, one.why, count(one.n), _of_runs(own, len(cells))] for one, own in runs.items()]
    tables = [Table("", ("What", "Why", "Number", "Run"), rows, "llrl")] if rows else []
    notes = [f"{cell.heading}: {note}" for cell in cells for note in cell.notes]
    words = [] if rows else ["Nothing was left out."]
    return Section("left_out", "What was left out", words, tables, [*notes, *data.notes])


def _of_runs(own: Sequence[str], n: int) -> str:
    return "all" if len(own) == n > 1 else listed(own)


def _omissions(cell: FaithfulCell) -> Iterator[_Omission]:
    for row in cell.dropped.to_dict("records"):
        yield _Omission(str(row["what"]), str(row["why"]), float(row["n"]))
    for name, why in cell.absent.items():
        yield _Omission(label_of(name), f"not computed: {why}")
    for name in cell.estimators:
        yield from _of_estimator(cell, name)
    yield from _of_answers(cell)
    last = [name for name, one in ESTIMATORS.items() if one.released_rule.reduction == "last"]
    if any(name not in last for name in cell.estimators):
        only = listed([label_of(name) for name in last])
        yield _Omission("mean last C", f"the last confidence is read of {only} only, which carries it on")


def _of_estimator(cell: FaithfulCell, name: str) -> Iterator[_Omission]:
    """What of an estimator's figures is missing."""
    label = label_of(name)
    if not cell.measured(name, HEADLINE).known:
        yield _Omission(f"{label}: score", "no trace has both decisiveness and this confidence")
        return
    if math.isnan(cell.measured(name, f"excess_{CONSTANT}").low):
        yield _Omission(f"{label}: interval", "it takes traces of two questions or more")
    if not cell.measured(name, "spearman_across").known:
        yield _Omission(f"{label}: ρ across traces", "fewer than three traces, or one of the two scores does not vary")
    if not cell.measured(name, "spearman_within").known:
        yield _Omission(f"{label}: ρ within traces", "no trace has three steps between which both scores vary")


def _of_answers(cell: FaithfulCell) -> Iterator[_Omission]:
    """Why accuracy or AUROC is missing."""
    marks = cell.marks.dropna()
    if marks.empty:
        yield _Omission("accuracy, AUROC", "of no answer is it known whether it is right")
    elif marks.nunique() == 1:
        yield _Omission("AUROC", f"every judged answer is {'right' if marks.iloc[0] else 'wrong'}")
    elif (cell.bridge.loc[cell.bridge["metric"] == "auroc", "value"].isna()).any():
        yield _Omission("AUROC", "no trace has the score there, or those with it are all right or all wrong")
