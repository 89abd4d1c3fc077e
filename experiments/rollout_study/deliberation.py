"""The tables of what deliberation sounds like."""

from collections.abc import Iterator, Mapping
from typing import Any, cast, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.analysis.deliberation import MarkerRow, halves, marker_rows
from ccps.analysis.records import Estimate
from ccps.core.text import DASH, decimal
from ccps.faithful import baselines, decisiveness, spearman_within, trace_confidence
from ccps.faithful.deliberation import KINDS, Deliberation, kinds_of
from ccps.metrics.inputs import FloatArray
from ccps.report.kit.table import Table
from experiments.rollout_study.sentences import StudiedTraces

HEDGE = "a hedge with a published norm"
"""A yardstick beside the kinds of thinking aloud."""
_HOLDS: Mapping[bool | None, str] = {True: "yes", False: "no", None: "too few"}


def deliberation_page(study: StudiedTraces) -> str:
    """All tables as Markdown."""
    sentences = study.sentences()
    marked = marks(sentences)
    confidences = [study.label(name) for name in study.score_names]
    parts = [_marker_table(marker_rows(sentences, marked, name), name) for name in confidences]
    parts.append(_counting_table(sentences, confidences))
    return "\n\n".join(parts) + "\n"


def marks(sentences: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Which sentences think aloud, by kind, and which hedge in a way that has a norm."""
    kinds = [kinds_of(text) for text in sentences["text"]]
    found = {kind: np.array([kind in own for own in kinds]) for kind in KINDS}
    hedged = np.array([decisiveness(text).score < 1 for text in sentences["text"]])
    return {**found, HEDGE: hedged}


def _marker_table(rows: list[MarkerRow], confidence: str) -> str:
    models = list(rows[0].tested)
    head = ["expression", "sentences", f"{confidence}, first half", "difference", "at equal length and place"]
    head += [f"other half, {name}" for name in models] + ["holds"]
    table = [
        [
            row.marker,
            f"{row.everywhere.difference.n:.0f}",
            decimal(row.found.with_marker.value, 3),
            _with_interval(row.found.difference),
            decimal(row.everywhere.adjusted.value, 2),
            *(_with_interval(row.tested[name].difference) for name in models),
            _HOLDS[row.holds],
        ]
        for row in rows
    ]
    return Table("", head, table).markdown()


def _with_interval(found: Estimate) -> str:
    if not found.known:
        return DASH
    return f"{decimal(found.value, 2)} [{decimal(found.low, 2)}, {decimal(found.high, 2)}]"


def _counting_table(sentences: pd.DataFrame, confidences: list[str]) -> str:
    """On the other half: how decisiveness follows confidence, by what thinking aloud counts for."""
    _, other = halves(list(sentences["problem"]))
    held = sentences[sentences["problem"].isin(other)]
    rows = []
    for model, own in held.groupby("model"):
        for name in confidences:
            for deliberation in get_args(Deliberation):
                rho, excess = _scores(own, name, cast(Deliberation, deliberation))
                rows.append([str(model), name, deliberation, decimal(rho, 2), decimal(100 * excess, 1)])
    head = ["model", "confidence", "thinking aloud", "ρ within traces", "cMFG* over words dealt out, points"]
    return Table("", head, rows).markdown()


def _scores(sentences: pd.DataFrame, confidence: str, deliberation: Deliberation) -> tuple[float, float]:
    d: list[FloatArray] = []
    c: list[FloatArray] = []
    for own in _by_trace(sentences):
        d.append(np.array([decisiveness(text, deliberation=deliberation).score for text in own["text"]]))
        c.append(own[confidence].to_numpy(np.float64))
    found = baselines("cmfg_star", d, c, [trace_confidence(one) for one in c])
    return spearman_within(d, c).mean, found.over_permutation


def _by_trace(sentences: pd.DataFrame) -> Iterator[Any]:
    return (own for _, own in sentences.groupby("trace_id", sort=False))
