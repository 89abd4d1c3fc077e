"""How far the reference method is ahead of the strongest other one."""

from collections.abc import Sequence

from ccps.analysis.averages import Headline, strongest
from ccps.analysis.findings import Findings
from ccps.core.text import level_words, listed, scaled, scaled_interval
from ccps.metrics import METRICS
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table

_IN_BRIEF = [METRICS[name].label for name in ("auroc", "ece")]


def headline_section(found: Findings) -> Section | None:
    """The headline differences as a table; None where there are none."""
    if not found.headlines:
        return None
    data = found.data
    means = f"Means over {len(data.settings)} settings. " if len(data.settings) > 1 else ""
    words = (
        f"{means}The strongest is chosen for each metric and setting by its mean over seeds; controls do not count, "
        "nor for ECE a method whose AUROC cannot be told from 50 %: a constant at the base rate has the smallest ECE."
    )
    head = ("Metric", "Difference", f"{level_words(data.level)} interval", "Strongest other method")
    rows = [
        (
            METRICS[one.metric].label,
            scaled(one.measured.value, one.scale),
            one.measured.reservation or scaled_interval(one.measured.low, one.measured.high, one.scale),
            listed([data.label(method) for method in strongest(data, found.resamples, one.metric)]),
        )
        for one in found.headlines
    ]
    title = f"{data.label(data.reference)} against the strongest other method"
    first = "; ".join(" ".join(part for part in row[:3] if part) for row in rows if row[0] in _IN_BRIEF)
    return Section("headline", title, [words], [Table("", head, rows, "lrrl")], link="Headline", folded=first)


def headline_lines(found: Sequence[Headline], reference: str) -> list[str]:
    """The run's own headline differences for a console."""
    return [
        f"{METRICS[one.metric].label} of {reference} against the strongest other method: "
        f"{scaled(one.measured.value, one.scale)} {_behind(one)}".rstrip()
        for one in found
    ]


def _behind(one: Headline) -> str:
    """The interval, or why it says nothing."""
    why = one.measured.reservation
    return f"({why})" if why else scaled_interval(one.measured.low, one.measured.high, one.scale)
