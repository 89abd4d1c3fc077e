"""Everything that was left out of something."""

from ccps.analysis.faithful_data import PLACE_COLUMNS, FaithfulData
from ccps.core.text import count
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table


def left_out_section(data: FaithfulData) -> Section:
    """Of each run what, why and how often; then what else there is to say."""
    rows = [
        [" · ".join(row[name] for name in PLACE_COLUMNS), str(row["what"]), str(row["why"]), count(float(row["n"]))]
        for row in data.joined("dropped").to_dict("records")
    ]
    tables = [Table("", ("Run", "What", "Why", "Number"), rows, "lll")] if rows else []
    notes = [f"{cell.heading}: {note}" for cell in data.cells for note in cell.notes]
    words = [] if rows else ["Nothing was left out."]
    return Section("left_out", "What was left out", words, tables, [*notes, *data.notes])
