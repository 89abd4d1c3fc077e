"""Answers beside faithfulness, and the bridge: is a trace right, and does it say so?"""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_terms import label_with
from ccps.analysis.records import Estimate
from ccps.analysis.support import FEWEST_OF_A_KIND, is_point
from ccps.core.text import count, decimal, duration
from ccps.report.faithful.text import DASHES, caption, correlation, in_percent
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table

_ANSWERS = (
    "Run",
    *("Accuracy", "Judged", "Mean D", "Time of D", "Traces", "Steps each", "Cut off", "No answer", "No steps"),
)
_BRIDGE = ("Position", "Score", "Mean", "AUROC", "n", "ρ with decisiveness")
_CHANCE = 0.5
_POSITIONS = {"first": "first third", "middle": "middle third", "last": "last third"}


def answers_section(data: FaithfulData) -> Section:
    """A row per run: accuracy, decisiveness, and how many traces are no full ones."""
    notes = [f"Percent, numbers of traces plain; D is decisiveness. Mode {data.mode}. {DASHES}"]
    words = ["Faithfulness says nothing about being right, so accuracy stands beside it."]
    table = Table("", _ANSWERS, [_answer_row(cell) for cell in data.cells])
    return Section("answers", "Traces and answers", words, [table], notes)


def _answer_row(cell: FaithfulCell) -> list[str]:
    accuracy = cell.measured("", "accuracy")
    counts = [count(cell.measured("", metric).value) for metric in ("n_truncated", "n_unparsed", "n_without_steps")]
    return [
        cell.heading,
        in_percent(accuracy),
        count(accuracy.n),
        in_percent(cell.measured("", "mean_decisiveness")),
        duration(cell.seconds.get("decisiveness", math.nan)),
        count(len(cell.marks)),
        decimal(cell.measured("", "mean_steps").value),
        *counts,
    ]


def bridge_section(data: FaithfulData) -> Section:
    """For each run a row per part of the trace and score: does it rank right answers, and does it follow the words?"""
    tables = [
        Table(caption(data, cell), _BRIDGE, rows, "ll")
        for cell in data.cells
        if (rows := list(_bridge_rows(cell, data.judges)))
    ]
    words = [
        "Of each score at each part of the trace: how well it ranks right answers above wrong ones (AUROC, 50 % is "
        "chance), and whether it goes up and down with decisiveness there."
    ]
    note = (
        "Percent; ρ from −1 to 1, none of decisiveness with itself; over the n traces whose answer is known to be "
        f"right or wrong; too few: under {FEWEST_OF_A_KIND} of them, or one value in every resample. Thirds are of the "
        f"steps of a trace. {DASHES}"
    )
    return Section("bridge", "Is it right, and does it say so?", words, tables, [note])


def _bridge_rows(cell: FaithfulCell, judges: Mapping[str, str]) -> Iterator[list[str]]:
    pairs = cell.bridge[["position", "signal"]].drop_duplicates()
    for position, signal in pairs.itertuples(index=False, name=None):
        mean, auroc, rho = (
            cell.bridged(position, signal, metric) for metric in ("mean", "auroc", "spearman_decisiveness")
        )
        yield [
            _POSITIONS.get(position, position),
            label_with(signal, judges),
            in_percent(mean),
            _ranking(auroc),
            count(auroc.n),
            correlation(rho),
        ]


def _ranking(auroc: Estimate) -> str:
    """An AUROC in percent; a score that is the same for all answers ranks none, and few answers say nothing of one."""
    drawn_alike = is_point(np.array([auroc.low, auroc.high]))
    if auroc.value == _CHANCE and drawn_alike:
        return "constant"
    return "too few" if auroc.known and (drawn_alike or auroc.n < FEWEST_OF_A_KIND) else in_percent(auroc)
