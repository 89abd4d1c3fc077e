"""Every score of the report and every term."""

from ccps.analysis.faithful_data import FaithfulData
from ccps.analysis.faithful_terms import DECISIVENESS, TERMS, Signal, answer_signals, behind, estimator_signals
from ccps.estimators.given import PREFIX
from ccps.report.kit.section import Section, terms


def glossary_section(data: FaithfulData) -> Section:
    """The glossary."""
    return Section("glossary", "Glossary", more=terms({one.label: one.gloss for one in glossary(data)}))


def glossary(data: FaithfulData) -> list[Signal]:
    """Every score of the report and every term: its source, direction and range, and what stands behind it here."""
    judges = {DECISIVENESS.name: data.decisiveness, **data.judges}
    used = {*data.estimators, *(name for cell in data.cells for name in cell.absent)}
    answer = set(data.joined("bridge")["signal"])
    signals = [
        DECISIVENESS,
        *(one for one in estimator_signals() if one.name in used),
        *(one for one in answer_signals() if one.name in answer),
    ]
    here = [one._replace(gloss=_with(one.gloss, behind(one.name, judges))) for one in signals]
    given = any(name.startswith(PREFIX) for name in used)
    return [*here, *(one for one in TERMS if given or one.name != "given")]


def _with(gloss: str, words: str) -> str:
    return f"{gloss} Here: {words}." if words else gloss
