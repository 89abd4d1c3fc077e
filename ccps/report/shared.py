"""Sections that every report has: what the stages cost, and how the run was made."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from ccps.core.text import DASH, byte_size, count, duration, seconds_each
from ccps.report.kit.section import Block, Section, fold
from ccps.report.kit.table import Table, bullets


def cost_section(costs: pd.DataFrame, notes: tuple[str, ...] = ()) -> Section:
    """What every stage took.

    Args:
        costs: columns stage, seconds, n, tokens, bytes and peak_memory. What a run found ready made is no part of the
            page, which is the same for the same artifacts.
        notes: small print below the table.
    """
    head = ["Stage", "Time", "Items", "Per item", "Tokens", "On disk", "Peak memory so far"]
    table = Table("", head, [_costs(row) for row in _records(costs)], empty="No stage recorded its cost.")
    brief = f"{duration(float(costs['seconds'].sum()))} in all, by stage"
    return Section("cost", "What it cost", tables=[table], notes=notes, link="Cost", folded=brief)


def _records(costs: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = costs.astype(object).where(costs.notna(), math.nan).to_dict("records")
    return rows


def _costs(row: Mapping[str, Any]) -> list[str]:
    seconds, items = float(row["seconds"]), float(row["n"])
    return [
        str(row["stage"]),
        duration(seconds),
        count(items),
        seconds_each(seconds / items) if items > 0 else DASH,
        count(float(row["tokens"])),
        byte_size(float(row["bytes"])),
        byte_size(float(row["peak_memory"])),
    ]


def making_section(run: Mapping[str, Any]) -> Section:
    """The record of the run: on the page all of it, folded; in Markdown commit, seeds, machine and versions."""
    folded = Markup("").join(
        fold(str(name), Markup('<pre tabindex="0">{}</pre>\n').format(_plain(value))) for name, value in run.items()
    )
    seeds = f", seeds {', '.join(map(str, run['seeds']))}" if run.get("seeds") else ""
    lines = [f"Commit {run.get('commit') or 'unknown'}{seeds}"]
    for part in ("machine", "versions"):
        known = (run.get(part) or {}).items()
        lines.append(", ".join(f"{name} {value}" for name, value in known if value is not None))
    more = Block(folded, bullets(line for line in lines if line))
    return Section("making", "How it was made", more=more, folded="commit, machine, versions and every setting")


def _plain(value: object) -> str:
    """A part of the record as text."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
