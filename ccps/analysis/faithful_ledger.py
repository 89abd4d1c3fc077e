"""The claims ledger of faithfulness: each published figure beside what a run measured, and the verdict."""

from collections.abc import Iterator

from ccps.analysis.faithful_claims import OF_JUDGE, OVER, FaithfulClaim, FaithfulClaimSet
from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_terms import label_of
from ccps.analysis.ledger import LedgerEntry, judge_claim
from ccps.analysis.records import Estimate
from ccps.core.text import listed
from ccps.reasoning.judges.base import JUDGES

BASELINE = "baseline"
"""The prompt under which a figure is measured whose own prompt is not known."""


def faithful_ledger(data: FaithfulData) -> tuple[LedgerEntry, ...]:
    """Compare all published figures with a run.

    A figure is measured where the run has its model on all of its datasets, under its prompt; if that is not known,
    under the baseline. There is no verdict where the prompt is not known, or mode or judges are others: the two say
    different things then, though both are shown.

    Args:
        data: a run, and the claims.
    """
    return tuple(_entry(data, claims, claim) for claims in data.claims for claim in claims.claims)


def _entry(data: FaithfulData, claims: FaithfulClaimSet, claim: FaithfulClaim) -> LedgerEntry:
    prompt = claim.prompt or BASELINE
    cells = [cell for cell in data.cells if (cell.model,) == claim.models and cell.prompt == prompt]
    cells = [cell for cell in cells if cell.dataset in claim.benchmarks]
    if reason := _not_covered(data, claim, cells, prompt):
        return judge_claim(claim, claims.source, Estimate(), reason)
    found = [cell.measured(claim.method, claim.metric) for cell in cells]
    value = float(OVER[claim.over]([one.value for one in found]))
    # Several datasets are several samples of questions: no interval of one of them is that of the whole.
    ends = (found[0].low, found[0].high) if len(found) == 1 else ()
    measured = Estimate(value, *ends)._replace(reservation="; ".join(_reservations(data, claims, claim)))
    return judge_claim(claim, claims.source, measured, "a value is missing for one of the datasets")


def _not_covered(data: FaithfulData, claim: FaithfulClaim, cells: list[FaithfulCell], prompt: str) -> str:
    """Why a figure is not measured; empty if it is."""
    if claim.metric.startswith(OF_JUDGE):
        return "a run does not hold its judge of words against people"
    named = {"of which model": claim.models, "on which datasets": claim.benchmarks}
    if unknown := [what for what, names in named.items() if not names]:
        return f"{' and '.join(unknown)} it was measured is not known"
    if {cell.dataset for cell in cells} != set(claim.benchmarks):
        ours = listed(list(dict.fromkeys(cell.heading for cell in data.cells)))
        return f"this run covers {ours}, the figure {claim.models[0]} on {listed(claim.benchmarks)}, prompt {prompt}"
    if claim.method and any(claim.method not in cell.estimators for cell in cells):
        return f"{label_of(claim.method)} was not computed"
    return ""


def _reservations(data: FaithfulData, claims: FaithfulClaimSet, claim: FaithfulClaim) -> Iterator[str]:
    """Why what was measured is not the same quantity."""
    if claim.prompt is None:
        yield f"its prompt is not known, {BASELINE} here"
    if data.mode != claims.mode:
        yield f"mode {claims.mode} there, {data.mode} here"
    if claim.metric not in ("mean_confidence", "accuracy") and data.decisiveness != claims.decisiveness:
        yield f"words judged by {claims.decisiveness} there, {data.decisiveness} here"
    judge = JUDGES.find(claims.judge).in_words
    if claim.method == "sampling" and claim.metric != "accuracy" and data.judges.get("sampling") != judge:
        yield f"continuations compared by {judge} there, {data.judges.get('sampling')} here"
