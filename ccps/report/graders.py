"""How far graders agree: the table in words, and the disagreements to show in full."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ccps.analysis.data import PAIR_COLUMNS, ReportData
from ccps.analysis.records import Setting
from ccps.analysis.terms import KAPPA
from ccps.core.text import count, decimal, listed, percent
from ccps.data.sampling import shares
from ccps.report.figures import heading_of


class AgreementTable(NamedTuple):
    """The table of agreement as text, not escaped."""

    head: tuple[str, ...]
    """Titles of the columns; the first two columns hold words."""
    rows: tuple[tuple[str, ...], ...]
    """One row per pair of graders and setting."""
    meaning: str
    """What κ is, and which grader decided."""
    notes: tuple[str, ...]
    """What was left out, and why κ is missing or says less than it seems to."""


class Disagreement(NamedTuple):
    """One answer that two graders judge differently; texts uncut and not escaped."""

    setting: str
    question: str
    accepted: str
    answer: str
    verdicts: str
    """ "grader: right, other: wrong"."""


class Disagreements(NamedTuple):
    """The disagreements to show, and how many they stand for."""

    words: str
    chosen: tuple[Disagreement, ...]


def agreement_table(data: ReportData) -> AgreementTable:
    """Agreement of each pair of graders, in percent, and Cohen's κ with its interval."""
    level = f"{data.level:.0%}".replace("%", " %")
    head = (
        "Setting",
        "Compared",
        "n",
        "Agreement, %",
        f"κ, {level} interval",
        "Only the first right",
        "Only the other right",
    )
    rows = list(data.agreement.itertuples(index=False))
    deciding = listed([str(name) for name in data.agreement["grader"].drop_duplicates()])
    meaning = f"{KAPPA.gloss} The labels used everywhere else are those of the grader {deciding}, named first below."
    return AgreementTable(head, tuple(_row(row) for row in rows), meaning, tuple(_notes(rows)))


def _row(row: Any) -> tuple[str, ...]:
    ends = f" [{decimal(row.kappa_low, 2)}, {decimal(row.kappa_high, 2)}]" if pd.notna(row.kappa_low) else ""
    return (
        _setting(row),
        f"{row.grader} and {row.other}",
        count(row.n),
        percent(row.agreement),
        f"{decimal(row.kappa, 2)}{ends}",
        count(row.only_grader),
        count(row.only_other),
    )


def _notes(rows: Sequence[Any]) -> list[str]:
    notes = []
    for row in rows:
        unknown = [(row.unknown_grader, row.grader), (row.unknown_other, row.other)]
        missing = [f"{count(number)} not judged by {name}" for number, name in unknown if number]
        left_out = f"left out of n: {listed(missing)}" if missing else ""
        parts = [part for part in (left_out, row.note if pd.notna(row.note) else "") if part]
        if parts:
            notes.append(f"{_setting(row)}, {row.grader} and {row.other}: {'; '.join(parts)}.")
    return notes


def _setting(row: Any) -> str:
    return heading_of(Setting(str(row.model), str(row.benchmark)))


def disagreements_shown(data: ReportData, limit: int) -> Disagreements:
    """At most `limit` disagreements, both directions and all pairs of graders in turn, each spread over its rows."""
    table = data.disagreements.reset_index(drop=True)
    directions = [table[table["says"] == says] for says in ("right", "wrong")]
    places: list[int] = []
    for rows, share in zip(directions, shares([len(rows) for rows in directions], limit), strict=True):
        pairs = [pair for _, pair in rows.groupby(list(PAIR_COLUMNS), sort=False)]
        for pair, number in zip(pairs, shares([len(pair) for pair in pairs], share), strict=True):
            places += pair.index[np.linspace(0, len(pair) - 1, number).astype(int)].tolist()
    chosen = tuple(_disagreement(row) for row in table.loc[sorted(places)].itertuples(index=False))
    return Disagreements(_shown_words(len(chosen), len(table)), chosen)


def _disagreement(row: Any) -> Disagreement:
    return Disagreement(
        setting=_setting(row),
        question=str(row.question),
        accepted=str(row.accepted),
        answer=str(row.answer),
        verdicts=f"{row.grader}: {row.says}, {row.other}: {row.other_says}",
    )


def _shown_words(shown: int, total: int) -> str:
    if not total:
        return "No answer is judged right by one of a pair and wrong by the other."
    if shown == total:
        return f"All disagreements ({count(total)}) follow; their full texts stand in tables/disagreements.csv."
    return (
        f"{count(shown)} of {count(total)} disagreements follow, both directions in turn; "
        "all of them stand in tables/disagreements.csv, in full."
    )
