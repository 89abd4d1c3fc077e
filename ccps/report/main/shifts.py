"""Sources of the training questions left out in their turn: how methods do on questions of a kind they never saw."""

from ccps.analysis.findings import Findings
from ccps.analysis.shifts import COMPARED, ShiftTally, ahead_on, tally
from ccps.analysis.verdict import MARKS, Standing
from ccps.core.text import count, listed
from ccps.metrics import METRICS
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table

_WORDS = (
    "Each source of training questions is left out in its turn: methods learn from all others and are tested on it. "
    "All are given the same few labels of the source, for an intercept each, and are tested on the rest; differences "
    "are to the strongest method that needs no training. A cell counts on how many sources a method is better, not "
    "distinguishable, or worse; figures, differences and intervals of every source stand in tables/shifts.csv, those "
    "without a label too."
)


def shifts_section(found: Findings) -> Section | None:
    """A table for each model and format; None where no source was left out."""
    shifts = found.shifts
    if shifts.empty:
        return None
    tables, points = [], []
    for (model, form), rows in shifts.groupby(["model", "format"], sort=False):
        labelled = rows[rows["k"] == rows.groupby("source")["k"].transform("max")]
        counts = tally(labelled)
        sources = [str(source) for source in rows["source"].unique()]
        methods = list(dict.fromkeys(method for method, _ in counts))
        for method in methods:
            if ahead := ahead_on(labelled, method):
                points.append(
                    f"{model} ({form}), {found.data.label(method)}: better on all of "
                    f"{listed([METRICS[metric].label for metric in COMPARED])} on {count(len(ahead))} of "
                    f"{count(len(sources))} sources ({listed(ahead)})."
                )
        rivals = listed([found.data.label(str(name)) for name in rows["other"].unique() if name])
        most = labelled["k"].max()
        caption = f"{model} ({form}), against {rivals}, {len(sources)} sources, {most} labels at most"
        head = ("Method", *(METRICS[metric].heading for metric in COMPARED))
        lines = [
            (found.data.label(method), *(_cell(counts[method, metric]) for metric in COMPARED)) for method in methods
        ]
        tables.append(Table(caption, head, lines))
    title = "Does it hold for questions of another kind?"
    return Section("shifts", title, [_WORDS], tables, points=points, link="Other kinds of questions")


def _cell(one: ShiftTally) -> str:
    kinds = (Standing.BETTER, Standing.LEVEL, Standing.WORSE)
    parts = [f"{MARKS[kind]} {n}" for kind, n in zip(kinds, one, strict=False)]
    return " ".join([*parts, *([f"no verdict {one.none}"] if one.none else [])])
