"""Published figures beside what a run measured: on the page, for a console, and as a file."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ccps.analysis.ledger import ClaimVerdict, LedgerEntry
from ccps.core.text import DASH, count, listed
from ccps.report.kit.files import write_text
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table

_HELD_AGAINST = (ClaimVerdict.MATCH, ClaimVerdict.DIFFERS, ClaimVerdict.NONE)
_WORDS = (
    "A published figure is compared where this run covers exactly what it is an average over. A match lies within "
    "the tolerance that conf/claims sets; unknown are figures that a publication holds but that are not known here."
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
    """Tables of what is held against this run: counts of each set, and the figures that are listed.

    Sets of which nothing is comparable are one line. None where nothing was published.
    """
    if not entries:
        return None
    sets = _by_set(entries)
    comparable = [name for name, rows in sets.items() if any(entry.verdict in _HELD_AGAINST for entry in rows)]
    held = [entry for entry in entries if entry.set_name in comparable]
    rest = [f"{name} ({rows[0].source})" for name, rows in sets.items() if name not in comparable]
    words = [_WORDS] if held else []
    if rest:
        words.append(
            f"Nothing in this run can be held against the published figures of {listed(rest)}: they are of other "
            "models, benchmarks, methods or conventions, or not known. tables/claims.csv lists each with its reason."
        )
    tables = _tables(held) if held else []
    notes = [f"{name}: {reason}." for name in comparable for reason in _reasons(sets[name])]
    noted = ((entry.set_name, entry.claim.note) for entry in held if entry.listed and entry.claim.note)
    notes += [f"{name}: {note}" for name, note in dict.fromkeys(noted)]
    return Section("published", "Published figures", words, tables, notes)


def _tables(entries: Sequence[LedgerEntry]) -> list[Table]:
    shown_verdicts = [verdict for verdict in ClaimVerdict if _tally(entries)[verdict] or verdict in _HELD_AGAINST]
    counts = [
        (f"{name}: {rows[0].source}", count(len(rows)), *(count(_tally(rows)[verdict]) for verdict in shown_verdicts))
        for name, rows in _by_set(entries).items()
    ]
    head = ("Publication", "Figures", *(verdict.value.capitalize() for verdict in shown_verdicts))
    tables = [Table("", head, counts)]
    shown = [
        (f"{entry.claim.quantity} ({entry.set_name})", *entry.texts, _verdict_words(entry))
        for entry in entries
        if entry.listed
    ]
    if shown:
        columns = ("Quantity", "Published", "Measured here", "Interval", "Verdict")
        tables.append(Table("", columns, shown, "lrrrl"))
    return tables


def _verdict_words(entry: LedgerEntry) -> str:
    return f"{entry.verdict.value} ({entry.reason})" if entry.verdict is ClaimVerdict.NONE else entry.verdict.value


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
    rows = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in _rows(entries)]
    text = "[\n" + ",\n".join(rows) + "\n]\n" if rows else "[]\n"
    return write_text(path, text)


def claims_table(entries: Sequence[LedgerEntry]) -> pd.DataFrame:
    """The ledger as a table, a figure a row; models and benchmarks are joined by commas."""
    rows = [row | {name: ", ".join(row[name]) for name in ("models", "benchmarks")} for row in _rows(entries)]
    return pd.DataFrame(rows)


def _rows(entries: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
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
        rows.append(row)
    return rows
