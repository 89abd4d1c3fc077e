"""What the scores rest on: confidences, their range, correlations with the words, and other scores."""

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_scores import DECISIVE
from ccps.analysis.faithful_terms import label_of
from ccps.core.text import DASH, count, percent
from ccps.report.faithful.text import DASHES, baseline, caption, correlation, in_percent, in_points
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
        Table(caption(data, cell), head, [row(cell, name) for name in cell.estimators])
        for cell in data.cells
        for head, row in ((_SUPPORT, _support_row), (_OTHERS, _other_row))
    ]
    note = (
        "Percent; D − C and excesses in points, ρ from −1 to 1. The range of confidence is that of traces: the "
        f"narrower it is, the higher cMFG* whatever is said. {DASHES}"
    )
    return Section("support", "What the scores rest on", tables=tables, notes=[note])


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
