"""What was run: models, questions, settings."""

from ccps.analysis.findings import Findings
from ccps.core.text import listed
from ccps.report.kit.section import Section, facts


def asked_section(found: Findings) -> Section | None:
    """The facts of the run; None where there are none."""
    data = found.data
    if not data.facts:
        return None
    tests = list(dict.fromkeys(setting.benchmark for setting in data.settings))
    brief = f"models, questions and settings; {len(data.methods)} methods on {listed(tests)}"
    entries = facts({fact.name: fact.text for fact in data.facts})
    return Section("asked", "What was run", [data.question], folded=brief, more=entries)
