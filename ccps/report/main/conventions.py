"""The same results under other conventions of the calibration error."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.core.text import DASH, percent
from ccps.metrics import CONTEST
from ccps.report.kit.section import Block, Section, fold
from ccps.report.kit.table import Table
from ccps.report.main.results import main_table

_WORDS = (
    "ECE in particular depends on how bins and confidence are defined. No bold here: the paired differences above "
    "belong to the headline convention. All metrics under each convention stand in tables/other_conventions.md."
)


def conventions_section(found: Findings) -> Section | None:
    """ECE by convention, means over seeds, and on the page all metrics, folded; None where there is no other."""
    parts = convention_parts(found)
    if not parts:
        return None
    notes = [f"{part.title}: {note}" for part in parts for note in part.words]
    brief = f"ECE by {len(found.other_conventions)} more definitions of bins and averages"
    more = Block(Markup("").join(fold(part.title, part.body()) for part in parts))
    title = "The same under other conventions"
    return Section(
        "conventions", title, [_WORDS], _tables(found), notes, link="Other conventions", more=more, folded=brief
    )


def _tables(found: Findings) -> list[Table]:
    """ECE alone, a table for each setting with a column for each convention."""
    place, names = list(CONTEST).index("ece"), list(found.other_conventions)
    cells: dict[str, dict[tuple[str, str], str]] = {}
    for name, tables in found.other_conventions.items():
        for table in tables:
            here = cells.setdefault(f"{table.model} · {table.benchmark}, ECE", {})
            here |= {(row.method, name): percent(row.cells[place].value) for row in table.rows}
    return [
        Table(caption, ["Method", *names], [_row(found.data, here, method, names) for method in found.data.methods])
        for caption, here in cells.items()
    ]


def _row(data: ReportData, cells: Mapping[tuple[str, str], str], method: str, names: Sequence[str]) -> list[str]:
    return [data.label(method), *(cells.get((method, name), DASH) for name in names)]


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
