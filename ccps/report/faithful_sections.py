"""The parts of a report of faithfulness: scores beside baselines, what they rest on, figures, what was left out."""

import math
from collections.abc import Iterator, Sequence

from ccps.analysis.faithful_data import PLACE_COLUMNS, FaithfulCell, FaithfulData
from ccps.core.text import DASH, byte_size, count, duration, percent
from ccps.report.faithful_answers import answers_section, bridge_section
from ccps.report.faithful_terms import label_of
from ccps.report.faithful_text import (
    DASHES,
    OF_SCORES,
    OF_SUPPORT,
    caption,
    correlation,
    in_percent,
    in_points,
    left_out_of,
)
from ccps.report.faithful_words import CONSTANT, DECISIVE, HEADLINE, RANDOM
from ccps.report.sections import Section, Table

_SCORES = (
    "Estimator",
    *("cMFG*", "Best constant", "Excess", "Dealt at random", "Excess", "n", "Time for all"),
)
_OTHERS = ("Estimator", "Always decisive", "Excess", "MFG", "cMFG", "cMFG bins used", "cMFG bins empty")
_SUPPORT = (
    "Estimator",
    *("Mean C", "Mean last C", "Range of C", "D − C", "ρ across traces", "ρ within traces"),
)
_COSTS = ("Stage", "Time", "Items", "Tokens", "On disk", "Peak memory so far")

_TRAJECTORY = Section(
    "trajectory",
    "Along the trace",
    [
        "What the words say, what the model believes, and how far the two agree, from the first step to the last. "
        "Bands are one standard error of the mean over traces."
    ],
)
_RELIABILITY = Section(
    "reliability",
    "Decisiveness against confidence",
    [
        "Steps in bins of equally many by confidence: mean decisiveness against mean confidence. On the diagonal the "
        "words say what the model believes; above it they are surer than the model."
    ],
)
_CORRELATIONS = Section(
    "correlations",
    "Do the scores agree?",
    ["Spearman’s ρ between the scores of traces: decisiveness, confidences (C) and faithfulness (F)."],
)


def sections(data: FaithfulData, gaps: Sequence[tuple[str, str]] = ()) -> dict[str, Section]:
    """Every part made of words, figures and tables, by anchor.

    Args:
        data: what to show.
        gaps: section and reason of every figure that could not be drawn.
    """
    parts = (
        _scores(data),
        _support(data),
        answers_section(data),
        *(_of_figures(part, data) for part in (_TRAJECTORY, _RELIABILITY, _CORRELATIONS)),
        bridge_section(data),
        _left_out(data),
        _cost(data),
    )
    absent = {part.anchor: [reason for section, reason in gaps if section == part.anchor] for part in parts}
    return {part.anchor: part._replace(notes=[*part.notes, *absent[part.anchor]]) for part in parts}


def _of_figures(part: Section, data: FaithfulData) -> Section:
    return part._replace(notes=[" ".join(caption(data, cell) for cell in data.cells)])


def _scores(data: FaithfulData) -> Section:
    tables = [
        Table(caption(data, cell), _SCORES, [_score_row(cell, name) for name in _estimators(cell)])
        for cell in data.cells
    ]
    words = [
        "cMFG* says how faithful the words are over the confidences that occur. A constant can score high as well: "
        "what counts is the excess over wording that knows nothing."
    ]
    level = f"{data.level:.0%}".replace("%", " %")
    note = (
        f"Percent, excesses in points; in brackets {level} intervals, resampled by question. All rest on the n traces "
        f"that have both decisiveness and confidence. {DASHES}"
    )
    notes = [note, *(line for cell in data.cells for line in (left_out_of(cell, OF_SCORES), *_no_score(cell)))]
    return Section("scores", "Do the words say what the model believes?", words, tables, notes)


def _estimators(cell: FaithfulCell) -> Iterator[str]:
    """Those that were computed, then those that were not."""
    yield from cell.estimators
    yield from cell.absent


def _score_row(cell: FaithfulCell, name: str) -> list[str]:
    score = cell.measured(name, HEADLINE)
    beside = [text for baseline in (CONSTANT, RANDOM) for text in _baseline(cell, name, baseline)]
    return [
        label_of(name),
        in_percent(score),
        *beside,
        count(score.n),
        duration(cell.seconds.get(name, math.nan)),
    ]


def _baseline(cell: FaithfulCell, name: str, baseline: str) -> tuple[str, str]:
    return in_percent(cell.measured(name, baseline)), in_points(cell.measured(name, f"excess_{baseline}"))


def _no_score(cell: FaithfulCell) -> Iterator[str]:
    for name, why in cell.absent.items():
        yield f"{cell.heading}, {label_of(name)}: not computed: {why}."
    for name in cell.estimators:
        score, excess = cell.measured(name, HEADLINE), cell.measured(name, f"excess_{CONSTANT}")
        if not score.known:
            yield f"{cell.heading}, {label_of(name)}: no score: no trace has both decisiveness and this confidence."
        elif math.isnan(excess.low):
            yield f"{cell.heading}, {label_of(name)}: no interval: it takes traces of two questions or more."


def _support(data: FaithfulData) -> Section:
    tables = [
        Table(caption(data, cell), head, [row(cell, name) for name in _estimators(cell)])
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
            for line in (left_out_of(cell, OF_SUPPORT), *_no_score(cell), *_no_correlation(cell))
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
    return [label_of(name), *_baseline(cell, name, DECISIVE), *scores, *bins]


def _no_correlation(cell: FaithfulCell) -> Iterator[str]:
    for name in cell.estimators:
        if not cell.measured(name, HEADLINE).known:
            continue
        head = f"{cell.heading}, {label_of(name)}"
        if not cell.measured(name, "spearman_across").known:
            yield f"{head}: no ρ across traces: there are fewer than three, or one of the two scores does not vary."
        if not cell.measured(name, "spearman_within").known:
            yield f"{head}: no ρ within traces: no trace has three steps between which both scores vary."
    if any(name != "rcc" for name in cell.estimators):
        yield f"{cell.heading}: the last confidence is read of RCC only, which carries it on from step to step."


def _left_out(data: FaithfulData) -> Section:
    rows = [
        [" · ".join(row[name] for name in PLACE_COLUMNS), str(row["what"]), str(row["why"]), count(float(row["n"]))]
        for row in data.joined("dropped").to_dict("records")
    ]
    tables = [Table("", ("Run", "What", "Why", "Number"), rows, 3)] if rows else []
    notes = [f"{cell.heading}: {note}" for cell in data.cells for note in cell.notes]
    words = [] if rows else ["Nothing was left out."]
    return Section("left_out", "What was left out", words, tables, [*notes, *data.notes])


def _cost(data: FaithfulData) -> Section:
    rows = [
        [
            str(row["stage"]),
            duration(float(row["seconds"])),
            *(count(float(row[column])) for column in ("n", "tokens")),
            *(byte_size(float(row[column])) for column in ("bytes", "peak_memory")),
        ]
        for row in data.costs.to_dict("records")
    ]
    words = [] if rows else ["No stage recorded its cost."]
    return Section("cost", "What it cost", words, [Table("", _COSTS, rows)] if rows else [])
