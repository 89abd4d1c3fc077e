"""What the scores rest on: confidences, their range, correlations with the words, and other scores."""

from collections.abc import Iterator

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_scores import DECISIVE, HEADLINE, OF_SUPPORT
from ccps.analysis.faithful_terms import label_of
from ccps.core.text import DASH, count, listed, percent
from ccps.estimators.base import ESTIMATORS
from ccps.report.faithful.text import (
    DASHES,
    baseline,
    caption,
    correlation,
    estimators,
    in_percent,
    in_points,
    left_out_of,
    no_score,
)
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table

_OTHERS = ("Estimator", "Always decisive", "Excess", "MFG", "cMFG", "cMFG bins used", "cMFG bins empty")
_SUPPORT = (
    "Estimator",
    *("Mean C", "Mean last C", "Range of C", "D − C", "ρ across traces", "ρ within traces"),
)


def support_section(data: FaithfulData) -> Section:
    """Two tables per run."""
    tables = [
        Table(caption(data, cell), head, [row(cell, name) for name in estimators(cell)])
        for cell in data.cells
        for head, row in ((_SUPPORT, _support_row), (_OTHERS, _other_row))
    ]
    note = (
        "Percent; D − C and excesses in points, ρ from −1 to 1. The range of confidence is that of traces: the "
        f"narrower it is, the higher cMFG* whatever is said. {DASHES}"
    )
    notes = [
        note,
        *(
            line
            for cell in data.cells
            for line in (left_out_of(cell, OF_SUPPORT), *no_score(cell), *_no_correlation(cell))
        ),
    ]
    return Section("support", "What the scores rest on", tables=tables, notes=notes)


def _support_row(cell: FaithfulCell, name: str) -> list[str]:
    means = [in_percent(cell.measured(name, metric)) for metric in ("mean_confidence", "mean_confidence_last")]
    ends = [percent(cell.measured(name, metric).value) for metric in ("support_low", "support_high")]
    rhos = [correlation(cell.measured(name, metric)) for metric in ("spearman_across", "spearman_within")]
    return [
        label_of(name),
        *means,
        DASH if DASH in ends else " to ".join(ends),
        in_points(cell.measured(name, "gap")),
        *rhos,
    ]


def _other_row(cell: FaithfulCell, name: str) -> list[str]:
    scores = [in_percent(cell.measured(name, metric)) for metric in ("mfg", "cmfg")]
    bins = [count(cell.measured(name, metric).value) for metric in ("cmfg_bins_used", "cmfg_bins_empty")]
    return [label_of(name), *baseline(cell, name, DECISIVE), *scores, *bins]


def _no_correlation(cell: FaithfulCell) -> Iterator[str]:
    for name in cell.estimators:
        if not cell.measured(name, HEADLINE).known:
            continue
        head = f"{cell.heading}, {label_of(name)}"
        if not cell.measured(name, "spearman_across").known:
            yield f"{head}: no ρ across traces: there are fewer than three, or one of the two scores does not vary."
        if not cell.measured(name, "spearman_within").known:
            yield f"{head}: no ρ within traces: no trace has three steps between which both scores vary."
    last = [name for name, one in ESTIMATORS.items() if one.released_rule.reduction == "last"]
    if any(name not in last for name in cell.estimators):
        only = listed([label_of(name) for name in last])
        yield f"{cell.heading}: the last confidence is read of {only} only, which carries it on from step to step."
