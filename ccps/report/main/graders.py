"""How far graders agree: a table, and some of the answers that they judge differently."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from ccps.analysis.data import ReportData
from ccps.analysis.disagreements import chosen_disagreements
from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.analysis.terms import KAPPA
from ccps.core.text import count, decimal, excerpt, level_words, listed, percent
from ccps.report.kit.escape import markdown_escape
from ccps.report.kit.section import Block, Section
from ccps.report.kit.table import Table
from ccps.report.kit.templates import render
from ccps.report.main.job import heading_of

_SHOWN, _SHOWN_IN_MARKDOWN = 12, 6


class Disagreement(NamedTuple):
    """One answer that two graders judge differently; texts cut, not escaped."""

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


def graders_section(found: Findings) -> Section | None:
    """Agreement of each pair of graders, in percent, and Cohen's κ with its interval; None where one worked alone."""
    data = found.data
    if data.agreement.empty:
        return None
    level = level_words(data.level)
    figures = ("n", "Agreement, %", f"κ, {level} interval", "Only the first right", "Only the other right")
    rows = list(data.agreement.itertuples(index=False))
    deciding = listed([str(name) for name in data.agreement["grader"].drop_duplicates()])
    meaning = f"{KAPPA.gloss} The labels used everywhere else are those of the grader {deciding}, named first below."
    table = Table("", ("Setting", "Compared", *figures), [_row(row) for row in rows], "ll")
    more = Block(
        render("main/disagreements.html.j2", shown=disagreements_shown(data, _SHOWN)),
        _markdown(disagreements_shown(data, _SHOWN_IN_MARKDOWN)),
    )
    least = data.agreement["agreement"].min()
    brief = f"pairs of graders ({len(rows)}); they agree on {percent(float(least))} % of answers or more"
    return Section(
        "graders", "Do the graders agree?", [meaning], [table], _notes(rows), link="Graders", more=more, folded=brief
    )


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
    """At most `limit` disagreements."""
    chosen = [_disagreement(row) for row in chosen_disagreements(data, limit).itertuples(index=False)]
    return Disagreements(_shown_words(len(chosen), len(data.disagreements)), tuple(chosen))


def _disagreement(row: Any) -> Disagreement:
    return Disagreement(
        setting=_setting(row),
        question=excerpt(str(row.question)),
        accepted=excerpt(str(row.accepted)),
        answer=excerpt(str(row.answer)),
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


def _markdown(shown: Disagreements) -> str:
    return "\n\n".join([markdown_escape(shown.words), *map(_markdown_of, shown.chosen)])


def _markdown_of(one: Disagreement) -> str:
    texts = (("Question", one.question), ("Accepted", one.accepted), ("Answer", one.answer))
    head = f"**{markdown_escape(one.verdicts)}** ({markdown_escape(one.setting)})"
    return "\n".join([f"- {head}", *(f"  - {name}: {markdown_escape(text)}" for name, text in texts)])
