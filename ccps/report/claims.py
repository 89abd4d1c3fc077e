"""The claims ledger: published figures as data, beside what this run measured. Nothing is filled in."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd

from ccps.errors import expected
from ccps.report.terms import BY_NAME

CLAIM_KEYS = ("id", "source", "quantity", "metric", "scale", "value", "tolerance", "note")
SCALES = ("relative", "points")


class ClaimVerdict(StrEnum):
    """How a published figure stands to the measured one."""

    MATCH = "match"
    DIFFERS = "differs"
    NOT_MEASURED = "not measured"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Claim:
    """One published figure.

    Attributes:
        id: short name, unique in its set.
        source: where it was published.
        quantity: what it states, in words.
        metric: metric name it is about.
        scale: "relative" ((a − b) / b) or "points" (a − b), both as fractions.
        value: the published figure, or None when it is not known.
        tolerance: largest distance that counts as a match.
        note: anything a reader should know.
    """

    id: str
    source: str
    quantity: str
    metric: str
    scale: str
    value: float | None
    tolerance: float
    note: str


@dataclass(frozen=True)
class ClaimSet:
    """Figures published for one set of models and benchmarks."""

    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class LedgerEntry:
    """A claim, what was measured, and the verdict; `reason` says why there is no comparison."""

    claim: Claim
    got: float | None
    verdict: ClaimVerdict
    reason: str


def parse_claims(content: Mapping[str, Any]) -> ClaimSet:
    """Read published figures from a file of the group `conf/claims` (models, benchmarks and claims).

    Raises:
        UserError: when a key is missing or unknown, an id occurs twice or a scale is unknown.
    """
    way_out = "Compare it with conf/claims/ccps_headline.yaml."
    if set(content) != {"models", "benchmarks", "claims"}:
        raise expected("`claims`", "a mapping with models, benchmarks and claims", list(content), way_out)
    rows = content["claims"]
    for row in rows:
        if not isinstance(row, Mapping) or set(row) != set(CLAIM_KEYS):
            raise expected("an entry of `claims.claims`", f"a mapping with {list(CLAIM_KEYS)}", row, way_out)
        if row["metric"] not in BY_NAME:
            raise expected(f"`metric` of the claim {row['id']}", f"one of {list(BY_NAME)}", row["metric"], way_out)
        if not all(isinstance(row[key], int | float) or row[key] is None for key in ("value", "tolerance")):
            raise expected(f"`value` and `tolerance` of the claim {row['id']}", "numbers", row, way_out)
        if row["scale"] not in SCALES:
            raise expected(f"`scale` of the claim {row['id']}", f"one of {list(SCALES)}", row["scale"], way_out)
    claims = tuple(Claim(**row) for row in rows)
    ids = [claim.id for claim in claims]
    if len(set(ids)) != len(ids):
        raise expected("the ids of `claims.claims`", "all different", ids, way_out)
    return ClaimSet(tuple(content["models"]), tuple(content["benchmarks"]), claims)


def judge_claim(claim: Claim, got: float | None, reason: str = "") -> LedgerEntry:
    """Compare one published figure with a measured one.

    Args:
        claim: the published figure.
        got: the measured figure, or None when there is none.
        reason: why there is none.
    """
    if claim.value is None:
        known = None if got is None or math.isnan(got) else got
        return LedgerEntry(claim, known, ClaimVerdict.UNKNOWN, "no published value")
    if got is None or math.isnan(got):
        return LedgerEntry(claim, None, ClaimVerdict.NOT_MEASURED, reason)
    near = abs(got - claim.value) <= claim.tolerance + 1e-12
    return LedgerEntry(claim, got, ClaimVerdict.MATCH if near else ClaimVerdict.DIFFERS, "")


def mean_gap(results: pd.DataFrame, metric: str, scale: str, reference: str) -> float:
    """Mean gap of the reference method to the strongest other one, over all models and benchmarks.

    Seeds are averaged first; the strongest method is chosen anew for each model and benchmark.

    Args:
        results: columns model, benchmark, method, metric and value (fractions).
        metric: name of the metric.
        scale: "relative" or "points".
        reference: the method whose gap is measured.

    Returns:
        The gap as a fraction; NaN when any model and benchmark lacks a value to compare.
    """
    rows = results[results["metric"] == metric]
    by_method = rows.groupby(["model", "benchmark", "method"])["value"]
    means = by_method.agg(lambda values: values.mean(skipna=False)).unstack("method")
    if reference not in means:
        return math.nan
    others = means.drop(columns=reference)
    best = others.min(axis=1) if BY_NAME[metric].lower_is_better else others.max(axis=1)
    gaps = means[reference] - best
    if scale == "relative":
        gaps = gaps / best
    return float(gaps.mean(skipna=False))


def ledger(claim_set: ClaimSet, results: pd.DataFrame, reference: str) -> tuple[LedgerEntry, ...]:
    """Compare a set of published figures with a run.

    The run is compared only when its models and benchmarks are exactly those of the publication.
    """
    reason = _why_not_comparable(claim_set, results)
    if reason:
        return tuple(judge_claim(claim, None, reason) for claim in claim_set.claims)
    missing = "a value is missing for one of the models and benchmarks, or there is no other method"
    return tuple(
        judge_claim(claim, mean_gap(results, claim.metric, claim.scale, reference), missing)
        for claim in claim_set.claims
    )


def _why_not_comparable(claim_set: ClaimSet, results: pd.DataFrame) -> str:
    published = {(model, benchmark) for model in claim_set.models for benchmark in claim_set.benchmarks}
    ours = set(results[["model", "benchmark"]].itertuples(index=False, name=None))
    if ours == published:
        return ""
    models, benchmarks = sorted({pair[0] for pair in ours}), sorted({pair[1] for pair in ours})
    return (
        f"this run covers {', '.join(models)} on {', '.join(benchmarks)}; the published figure is an average "
        f"over {', '.join(claim_set.models)} on {', '.join(claim_set.benchmarks)}; they are not comparable"
    )


def write_claims(entries: Sequence[LedgerEntry], path: Path) -> Path:
    """Write the ledger as a JSON list; a missing figure is null."""
    rows: list[Mapping[str, object]] = [
        {**asdict(entry.claim), "got": entry.got, "verdict": entry.verdict.value, "reason": entry.reason}
        for entry in entries
    ]
    text = json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path
