"""Questions shown in full, with their answers and what was thought of them."""

from ccps.analysis.findings import Findings
from ccps.analysis.records import Example
from ccps.core.text import listed, percent
from ccps.report.kit.section import Block, Section
from ccps.report.kit.templates import render


def examples_section(found: Findings) -> Section | None:
    """Examples of each kind, on the page alone; None where there are none."""
    groups: dict[str, list[Example]] = {}
    for example in found.data.examples:
        groups.setdefault(example.kind, []).append(example)
    if not groups:
        return None
    reference = found.data.label(found.data.reference)
    html = render("main/examples.html.j2", groups=groups, reference=reference, percent=percent)
    brief = f"in full: {listed([kind.lower() for kind in groups])} ({len(found.data.examples)})"
    return Section("examples", "Examples", more=Block(html), folded=brief)
