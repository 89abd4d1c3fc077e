"""Methods that were not run, and all that was left out of something or is worth knowing."""

from ccps.analysis.findings import Findings
from ccps.core.text import listed, plain_number
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table


def left_out_section(found: Findings) -> Section | None:
    """Methods that were not run, and why; None where all were."""
    data = found.data
    if not data.left_out_methods:
        return None
    rows = [(data.label(one.method), one.reason) for one in data.left_out_methods]
    words = [f"Not run: {listed([row[0] for row in rows])}."] if len(rows) > 1 else []
    table = Table("", ("Method", "Why it was not run"), rows, "ll")
    brief = f"{len(rows)} of them, and why"
    return Section("left_out", "Methods that were left out", words, [table], link="Methods left out", folded=brief)


def counts_section(found: Findings) -> Section:
    """Whatever was dropped, skipped or is worth knowing, with its number."""
    rows = [
        (str(row.what), plain_number(row.number), str(row.reason)) for row in found.data.counts.itertuples(index=False)
    ]
    table = Table("", ("What", "Number", "Why, and what it means"), rows, "lrl", empty="Nothing was counted.")
    brief = f"what was dropped, cut or is worth knowing ({len(rows)})"
    return Section("counts", "Counts, and what was left out", tables=[table], link="Left out", folded=brief)
