"""Published figures beside what a run measured: on the page, for a console, and as a file."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ccps.analysis.ledger import ClaimVerdict, LedgerEntry
from ccps.core.text import DASH, count
from ccps.report.kit.files import write_text
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table


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
        tables.append(Table("", head, shown, "lrrrl"))
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
    return write_text(path, text)
