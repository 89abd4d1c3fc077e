"""Paired differences of the reference method to every other one."""

import math
from collections.abc import Sequence

from ccps.analysis.differences import POWER, detectable_ranges
from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.analysis.verdict import MARKS, PairedDifference, Standing
from ccps.core.text import count, decimal, level_words, signed_points
from ccps.metrics import CONTEST, METRICS
from ccps.report.kit.section import Section
from ccps.report.kit.table import Cell, Table
from ccps.report.main.job import heading_of
from ccps.report.main.results import has_many_rows


def differences_section(found: Findings) -> Section | None:
    """A table for each setting, a row for each other method; None where there is no other."""
    comparisons = found.verdict.comparisons
    if not comparisons:
        return None
    name = found.data.label(found.data.reference)
    legend = ", ".join(f"{mark} {kind.value}" for kind, mark in MARKS.items())
    words = (
        f"Paired differences, {name} minus the other, in percentage points, with {level_words(found.data.level)} "
        f"intervals: {legend}. They are not corrected for the number of comparisons."
    )
    tables = [_table(found, setting) for setting in dict.fromkeys(one.setting for one in comparisons)]
    return Section(
        "differences",
        f"{name} against every other method",
        [words, *power_words(found)],
        tables,
        link="Differences",
        folds_tables=has_many_rows(found),
        folded=_brief(comparisons),
    )


def _brief(comparisons: Sequence[PairedDifference]) -> str:
    """How often the reference stands how to another method: "better in 3, worse in 1 of 20 paired differences"."""
    counts = {kind: sum(one.standing is kind for one in comparisons) for kind in Standing}
    return f"{', '.join(f'{kind.value} {n}' for kind, n in counts.items() if n)}, of {len(comparisons)} differences"


def power_words(found: Findings) -> list[str]:
    """Which differences this number of questions could have shown, in a sentence; none where there is no verdict."""
    ranges = detectable_ranges(found.differences, found.data.controls)
    if not ranges:
        return []
    parts = [
        f"{_place(found, setting)} "
        + ", ".join(f"{METRICS[metric].label} {_points(*ends)}" for metric, ends in by_metric.items())
        for setting, by_metric in ranges.items()
    ]
    return [
        "So many questions show a true difference four times in five (a power of "
        f"{100 * POWER:.0f} %) if it has at least so many percentage points, depending on the other method: "
        f"{'; '.join(parts)}. What is smaller may be real and unseen."
    ]


def _place(found: Findings, setting: Setting) -> str:
    scores = found.data.scores
    here = scores[(scores["model"] == setting.model) & (scores["benchmark"] == setting.benchmark)]
    n = here["question_id"].nunique()
    return f"{heading_of(setting)} ({count(n)} questions)" if n else heading_of(setting)


def _points(low: float, high: float) -> str:
    ends = [decimal(100 * end) for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else "–".join(ends)


def _table(found: Findings, setting: Setting) -> Table:
    data = found.data
    here = {(one.other, one.metric): one for one in found.verdict.comparisons if one.setting == setting}
    others = dict.fromkeys(other for other, _ in here)
    rows: list[Sequence[str | Cell]] = [
        (
            data.label(other) + (" (control)" if other in data.controls else ""),
            *(_cell(here.get((other, metric))) for metric in CONTEST),
        )
        for other in sorted(others, key=data.methods.index)
    ]
    return Table(heading_of(setting), ["Against", *(metric.heading for metric in CONTEST.values())], rows)


def _cell(one: PairedDifference | None) -> Cell:
    if one is None or one.standing is Standing.MISSING:
        return Cell(signed_points(math.nan), word=Standing.MISSING.value, kind="missing")
    if one.standing is Standing.NONE:
        return Cell(signed_points(one.value), f"({one.reservation})", word=one.standing.value, kind="missing")
    return Cell(
        signed_points(one.value),
        f"[{signed_points(one.low)}, {signed_points(one.high)}]",
        mark=MARKS[one.standing],
        word=one.standing.value,
        kind=one.standing.name.lower(),
    )
