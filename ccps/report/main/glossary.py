"""What the words of the report mean."""

from ccps.analysis.findings import Findings
from ccps.analysis.terms import FORMATS, KAPPA
from ccps.metrics import METRICS
from ccps.report.kit.section import Section, terms


def glossary_section(found: Findings) -> Section:
    """Metrics and which way they are better, then other terms."""
    entries = {
        f"{metric.label}: {'lower' if metric.lower_is_better else 'higher'} is better": metric.gloss
        for metric in METRICS.values()
    }
    others = [FORMATS, *([] if found.data.agreement.empty else [KAPPA])]
    entries |= {term.label: term.gloss for term in others}
    return Section("glossary", "Glossary", more=terms(entries), folded=f"{len(entries)} words of this page")
