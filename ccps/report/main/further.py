"""Metrics that are told and not compared."""

from ccps.analysis.findings import Findings
from ccps.report.kit.section import Section
from ccps.report.main.results import main_table

_WORDS = (
    "What else papers and tools report, for comparison with theirs. No method is called better by these: verdict, "
    "headline and bold rest on the metrics of the main table. What each means stands in the glossary."
)


def further_section(found: Findings) -> Section | None:
    """A table for each setting, folded on the page; None where nothing further was measured."""
    tables = [main_table(found.data, table) for table in found.further]
    if not tables:
        return None
    labels = [metric.label for metric in found.further[0].metrics]
    brief = f"{len(labels)} metrics of every method, from {labels[0]} to {labels[-1]}"
    return Section("further", "Further metrics", [_WORDS], tables, folded=brief)
