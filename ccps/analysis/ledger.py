"""The claims ledger: each published figure beside what this run measured, and the verdict."""

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import pandas as pd

from ccps.analysis.averages import Headline, Measured, average, gap, setting_means
from ccps.analysis.claims import Claim, ClaimSet
from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting
from ccps.analysis.resamples import Resamples, by_subject, resample
from ccps.analysis.terms import BY_NAME
from ccps.report.sections import Section, Table
from ccps.report.text import DASH, count, listed, scaled, scaled_interval

NO_VALUE = "a value is missing for one of the models and benchmarks, or there is no other method"


class ClaimVerdict(StrEnum):
    """How a published figure stands to the measured one."""

    MATCH = "match"
    DIFFERS = "differs"
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
        return self.claim.scale != "value" or (self.claim.value is not None and self.got is not None)

    @property
    def texts(self) -> tuple[str, str, str]:
        """Published figure (with its spread), measured figure and interval, as readers see them."""
        scale, spread = self.claim.scale, self.claim.spread
        value = math.nan if self.claim.value is None else self.claim.value
        published = scaled(value, scale) + (f" ± {100 * spread:.1f}" if spread is not None else "")
        if scale != "value":
            published = published.replace(".0 ", " ")
        if self.got is None or self.low is None or self.high is None:
            return published, DASH if self.got is None else scaled(self.got, scale), ""
        return published, scaled(self.got, scale), scaled_interval(self.low, self.high, scale)


def judge_claim(claim: Claim, source: str, got: Measured, reason: str = "") -> LedgerEntry:
    """Compare one published figure with a measured one.

    Args:
        claim: the published figure.
        source: where it was published.
        got: the measured figure, NaN when there is none.
        reason: why there is none.
    """
    value, low, high = (None if math.isnan(number) else number for number in got)
    if claim.value is None:
        return LedgerEntry(claim, source, value, low, high, ClaimVerdict.UNKNOWN, "no published value")
    if value is None:
        return LedgerEntry(claim, source, None, None, None, ClaimVerdict.NOT_MEASURED, reason)
    near = abs(value - claim.value) <= claim.tolerance + 1e-12
    verdict = ClaimVerdict.MATCH if near else ClaimVerdict.DIFFERS
    return LedgerEntry(claim, source, value, low, high, verdict, "")


def ledger(data: ReportData, resamples: Resamples) -> tuple[LedgerEntry, ...]:
    """Compare all published figures with a run.

    A figure is compared only when the run covers all models and benchmarks that it is averaged over, and over these
    alone; an ECE only when the run has measured it under the convention of the publication.

    Args:
        data: results, and the claims.
        resamples: of the headline convention.
    """
    ours = set(data.settings)
    measured = {data.convention: (data.results, resamples)}
    for claims in data.claims:
        other = claims.convention
        rows = data.results_other[data.results_other["convention"] == other]
        if other not in measured and not rows.empty and any(ours.issuperset(one.settings) for one in claims.claims):
            measured[other] = (rows, resample(data, other, by_subject(data.scores, other)))
    return tuple(_entry(claim, claims, data, ours, measured) for claims in data.claims for claim in claims.claims)


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
        return judge_claim(claim, claims.source, Measured(math.nan), reason)
    results, resamples = measured[convention]
    if claim.scale == "value":
        means = setting_means(results, claim.metric)
        found = average(means, resamples, claim.metric, claim.method, claim.settings)
    else:
        rivals = set(data.methods) - {claim.method, *data.controls}
        found = gap(results, resamples, claim.metric, claim.scale, claim.method, rivals, claim.settings)
    return judge_claim(claim, claims.source, found, NO_VALUE)


def _not_covered(claims: ClaimSet, ours: Collection[Setting]) -> str:
    models, benchmarks = (sorted({setting[place] for setting in ours}) for place in (0, 1))
    return (
        f"this run covers {listed(models)} on {listed(benchmarks)}, "
        f"the publication {listed(claims.models)} on {listed(claims.benchmarks)}"
    )


def ledger_lines(entries: Sequence[LedgerEntry]) -> list[str]:
    """The ledger for a console: how many figures of each set stand how, why, and those that are listed."""
    lines = []
    for name, rows in _by_set(entries).items():
        lines.append(f"{name} ({rows[0].source}): {_count_words(rows)}")
        lines += [f"  {reason}" for reason in _reasons(rows)]
    shown = [entry for entry in entries if entry.listed]
    if shown:
        table: list[tuple[str, ...]] = [("figure", "expected", "got", "interval", "verdict")]
        table += [(entry.claim.id, *(text or DASH for text in entry.texts), entry.verdict.value) for entry in shown]
        widths = [max(len(row[place]) for row in table) for place in range(5)]
        for row in table:
            cells = [
                text.rjust(width) if 0 < place < 4 else text.ljust(width)
                for place, (text, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
    return lines


def ledger_section(entries: Sequence[LedgerEntry]) -> Section | None:
    """The ledger as tables: counts of each set, and the figures that are listed; None where nothing was published."""
    if not entries:
        return None
    words = [
        "A published figure is compared where this run covers exactly what it is an average over. A match lies within "
        "the tolerance that conf/claims sets; unknown are figures that a publication holds but that are not known here."
    ]
    counts = [
        (f"{name}: {rows[0].source}", count(len(rows)), *(count(_tally(rows)[verdict]) for verdict in ClaimVerdict))
        for name, rows in _by_set(entries).items()
    ]
    tables = [Table("", ("Publication", "Figures", *(verdict.value.capitalize() for verdict in ClaimVerdict)), counts)]
    shown = [
        (f"{entry.claim.quantity} ({entry.set_name})", *entry.texts, entry.verdict.value)
        for entry in entries
        if entry.listed
    ]
    if shown:
        head = ("Quantity", "Published", "Measured here", "Interval", "Verdict")
        tables.append(Table("", head, shown))
    notes = [f"{name}: {reason}." for name, rows in _by_set(entries).items() for reason in _reasons(rows)]
    noted = ((entry.set_name, entry.claim.note) for entry in entries if entry.listed and entry.claim.note)
    notes += [f"{name}: {note}" for name, note in dict.fromkeys(noted)]
    return Section("published", "Published figures", words, tables, notes)


def _by_set(entries: Sequence[LedgerEntry]) -> Mapping[str, list[LedgerEntry]]:
    sets: dict[str, list[LedgerEntry]] = {}
    for entry in entries:
        sets.setdefault(entry.set_name, []).append(entry)
    return sets


def _tally(entries: Sequence[LedgerEntry]) -> Counter[ClaimVerdict]:
    return Counter(entry.verdict for entry in entries)


def _count_words(entries: Sequence[LedgerEntry]) -> str:
    tally = _tally(entries)
    parts = [f"{count(tally[verdict])} {verdict.value}" for verdict in ClaimVerdict if tally[verdict]]
    return f"{count(len(entries))} {'figure' if len(entries) == 1 else 'figures'}: {', '.join(parts)}"


def _reasons(entries: Sequence[LedgerEntry]) -> list[str]:
    """Why figures were not measured, each reason once."""
    return list(dict.fromkeys(entry.reason for entry in entries if entry.verdict is ClaimVerdict.NOT_MEASURED))


def write_claims(entries: Sequence[LedgerEntry], path: Path) -> Path:
    """Write the ledger as a JSON list, a figure a line; a missing number is null."""
    rows = []
    for entry in entries:
        claim = asdict(entry.claim)
        row = {
            "id": claim.pop("id"),
            "expected": claim.pop("value"),
            "got": entry.got,
            "ci_low": entry.low,
            "ci_high": entry.high,
            "verdict": entry.verdict.value,
            "reason": entry.reason,
            "source": entry.source,
            **claim,
        }
        rows.append(json.dumps(row, ensure_ascii=False, allow_nan=False))
    text = "[\n" + ",\n".join(rows) + "\n]\n" if rows else "[]\n"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def headline_lines(found: Sequence[Headline], reference: str) -> list[str]:
    """The run's own headline differences for a console."""
    return [
        f"{BY_NAME[one.metric].label} of {reference} against the strongest other method: "
        f"{scaled(one.measured.value, one.scale)} "
        f"{scaled_interval(one.measured.low, one.measured.high, one.scale)}".rstrip()
        for one in found
    ]
