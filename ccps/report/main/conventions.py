"""The same results under other conventions of the calibration error."""

from collections.abc import Iterator, Sequence

import pandas as pd
from markupsafe import Markup

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.core.text import percent
from ccps.report.kit.section import Block, Section, fold
from ccps.report.kit.table import Table
from ccps.report.main.results import main_table

_WORDS = (
    "ECE in particular depends on how bins and confidence are defined. No bold here: the paired differences above "
    "belong to the headline convention. All metrics under each convention stand in tables/other_conventions.md."
)


def conventions_section(found: Findings) -> Section | None:
    """ECE by convention, means over seeds, and on the page all metrics, folded; None where there is no other."""
    data = found.data
    ece = data.results_other[data.results_other["metric"] == "ece"]
    parts = convention_parts(found)
    if not parts:
        return None
    notes = [f"{name}: {note}" for name in found.other_conventions if (note := data.convention_note(name))]
    more = Block(Markup("").join(fold(part.title, part.body()) for part in parts))
    title = "The same under other conventions"
    tables = list(_tables(data, ece))
    return Section("conventions", title, [_WORDS], tables, notes, link="Other conventions", more=more)


def _tables(data: ReportData, ece: pd.DataFrame) -> Iterator[Table]:
    names = [str(name) for name in ece["convention"].drop_duplicates()]
    for (model, benchmark), group in ece.groupby(["model", "benchmark"], sort=False):
        means = group.groupby(["method", "convention"])["value"].mean()
        rows = [
            (data.label(method), *(percent(float(means.get((method, name), float("nan")))) for name in names))
            for method in data.methods
        ]
        yield Table(f"{model} · {benchmark}, ECE", ("Method", *names), rows)


def convention_parts(found: Findings) -> Sequence[Section]:
    """All metrics under each convention, a part each."""
    data = found.data
    return [
        Section(
            name,
            name,
            [note] if (note := data.convention_note(name)) else [],
            [main_table(data, table) for table in tables],
        )
        for name, tables in found.other_conventions.items()
    ]
