"""The claims ledger: each published figure beside what this run measured, and the verdict."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from ccps.analysis.averages import average, gap, setting_means
from ccps.analysis.claims import GAP_SCALES, Claim, ClaimSet
from ccps.analysis.data import ReportData
from ccps.analysis.records import Estimate, Setting
from ccps.analysis.resamples import Resamples, by_subject, resample
from ccps.core.text import DASH, listed, scaled, scaled_interval

NO_VALUE = "a value is missing for one of the models and benchmarks, or there is no other method"


class ClaimVerdict(StrEnum):
    """How a published figure stands to the measured one."""

    MATCH = "match"
    DIFFERS = "differs"
    NONE = "no verdict"
    NOT_MEASURED = "not measured"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class LedgerEntry:
    """A claim, what was measured (None where nothing was), and the verdict.

    Attributes:
        claim: the published figure.
        source: where it was published.
        got: the measured figure, or None.
        low: lower end of its interval, or None.
        high: upper end.
        verdict: how they stand to each other.
        reason: why there is no comparison; empty where there is one.
    """

    claim: Claim
    source: str
    got: float | None
    low: float | None
    high: float | None
    verdict: ClaimVerdict
    reason: str

    @property
    def set_name(self) -> str:
        """The set of claims it belongs to."""
        return self.claim.id.split("/")[0]

    @property
    def listed(self) -> bool:
        """Whether it is shown by itself and not only counted: gaps, and whatever is both published and measured."""
        return self.claim.scale in GAP_SCALES or (self.claim.value is not None and self.got is not None)

    @property
    def texts(self) -> tuple[str, str, str]:
        """Published figure (with its spread), measured figure and interval, as readers see them."""
        scale, spread = self.claim.scale, self.claim.spread
        value = math.nan if self.claim.value is None else self.claim.value
        published = scaled(value, scale) + (f" ± {100 * spread:.1f}" if spread is not None else "")
        if scale in GAP_SCALES:
            published = published.replace(".0 ", " ")
        if self.got is None or self.low is None or self.high is None:
            return published, DASH if self.got is None else scaled(self.got, scale), ""
        return published, scaled(self.got, scale), scaled_interval(self.low, self.high, scale)


def judge_claim(claim: Claim, source: str, got: Estimate, reason: str = "") -> LedgerEntry:
    """Compare one published figure with a measured one.

    Args:
        claim: the published figure.
        source: where it was published.
        got: the measured figure, NaN when there is none.
        reason: why there is none.
    """
    value, low, high = (None if math.isnan(number) else number for number in got[:3])
    if claim.value is None:
        return LedgerEntry(claim, source, value, low, high, ClaimVerdict.UNKNOWN, "no published value")
    if value is None:
        return LedgerEntry(claim, source, None, None, None, ClaimVerdict.NOT_MEASURED, reason)
    if got.reservation:
        return LedgerEntry(claim, source, value, low, high, ClaimVerdict.NONE, got.reservation)
    near = abs(value - claim.value) <= claim.tolerance + 1e-12
    verdict = ClaimVerdict.MATCH if near else ClaimVerdict.DIFFERS
    return LedgerEntry(claim, source, value, low, high, verdict, "")


def ledger(data: ReportData, resamples: Resamples) -> tuple[LedgerEntry, ...]:
    """Compare all published figures with a run.

    A figure is compared only when the run covers all models and benchmarks that it is averaged over, and over these
    alone; an ECE only when the run has measured it under the convention of the publication. Publications average over
    subjects, so their figures are held against such means, whichever figures lead.

    Args:
        data: results, and the claims.
        resamples: of the headline convention.
    """
    ours = set(data.settings)
    measured: dict[str, tuple[pd.DataFrame, Resamples]] = {}
    for claims in data.claims:
        if not any(ours.issuperset(one.settings) for one in claims.claims):
            continue
        for convention in dict.fromkeys((data.convention, claims.convention)):
            rows = _means_over_subjects(data, convention)
            if convention in measured or rows.empty:
                continue
            given = convention == data.convention and "pooled" not in data.aggregates.values()
            drawn = resamples if given else resample(data, convention, by_subject(data.scores, convention), {})
            measured[convention] = (rows, drawn)
    return tuple(_entry(claim, claims, data, ours, measured) for claims in data.claims for claim in claims.claims)


def _means_over_subjects(data: ReportData, convention: str) -> pd.DataFrame:
    """The results of a convention as means over subjects: those that lead, if they are such, and others'."""
    other = data.results_other[data.results_other["convention"] == convention]
    if convention != data.convention:
        return other
    leads = data.results["benchmark"].map(lambda name: data.aggregates.get(str(name), "macro") == "macro")
    return pd.concat([part for part in (data.results[leads], other) if not part.empty] or [other])


def _entry(
    claim: Claim,
    claims: ClaimSet,
    data: ReportData,
    ours: Collection[Setting],
    measured: Mapping[str, tuple[pd.DataFrame, Resamples]],
) -> LedgerEntry:
    convention = claims.convention if claim.metric == "ece" else data.convention
    reason = ""
    if not set(claim.settings) <= set(ours):
        reason = _not_covered(claims, ours)
    elif convention not in measured:
        reason = f"the published ECE is by the convention {convention}, which this run does not use"
    elif claim.method not in data.methods:
        reason = f"{claim.method} was not run"
    if reason:
        return judge_claim(claim, claims.source, Estimate(), reason)
    results, resamples = measured[convention]
    if claim.scale == "value":
        means = setting_means(results, claim.metric)
        found = average(means, resamples, claim.metric, claim.method, claim.settings)
    else:
        rivals = set(data.methods) - {claim.method, *data.controls}
        found = gap(results, resamples, claim.metric, claim.scale, claim.method, rivals, claim.settings, telling=False)
    return judge_claim(claim, claims.source, found, NO_VALUE)


def _not_covered(claims: ClaimSet, ours: Collection[Setting]) -> str:
    models, benchmarks = (sorted({setting[place] for setting in ours}) for place in (0, 1))
    return (
        f"this run covers {listed(models)} on {listed(benchmarks)}, "
        f"the publication {listed(claims.models)} on {listed(claims.benchmarks)}"
    )
