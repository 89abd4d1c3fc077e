"""How far the reference method is ahead of the strongest other one."""

from collections.abc import Sequence

from ccps.analysis.averages import Headline, strongest
from ccps.analysis.data import ReportData
from ccps.analysis.terms import BY_NAME
from ccps.core.text import listed, scaled, scaled_interval
from ccps.report.sections import Section, Table


def headline_section(data: ReportData, found: Sequence[Headline]) -> Section | None:
    """The headline differences as a table; None where there are none."""
    if not found:
        return None
    means = f"Means over {len(data.settings)} settings. " if len(data.settings) > 1 else ""
    words = f"{means}The strongest is chosen for each metric and setting by its mean over seeds; controls do not count."
    head = ("Metric", "Difference", f"{data.level:.0%} interval".replace("%", " %"), "Strongest other method")
    rows = [
        (
            BY_NAME[one.metric].label,
            scaled(one.measured.value, one.scale),
            scaled_interval(one.measured.low, one.measured.high, one.scale),
            listed([data.label(method) for method in strongest(data, one.metric)]),
        )
        for one in found
    ]
    title = f"{data.label(data.reference)} against the strongest other method"
    return Section("headline", title, [words], [Table("", head, rows)])


def headline_lines(found: Sequence[Headline], reference: str) -> list[str]:
    """The run's own headline differences for a console."""
    return [
        f"{BY_NAME[one.metric].label} of {reference} against the strongest other method: "
        f"{scaled(one.measured.value, one.scale)} "
        f"{scaled_interval(one.measured.low, one.measured.high, one.scale)}".rstrip()
        for one in found
    ]
