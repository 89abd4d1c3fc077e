"""The report as one HTML page that needs nothing but itself."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ccps.report import graders
from ccps.report.claims import LedgerEntry
from ccps.report.data import COST_COLUMNS, COUNT_COLUMNS, Example, ReportData
from ccps.report.figures import Picture, heading_of
from ccps.report.summary import Block
from ccps.report.tables import other_conventions, table_note
from ccps.report.terms import BY_NAME, FORMATS, KAPPA, METRICS
from ccps.report.text import DASH, byte_size, count, duration, excerpt, percent, plain_number, signed_points
from ccps.report.verdict import Comparison, Standing, Verdict

_HERE = Path(__file__).parent
_SECTIONS = ("reliability", "risk_coverage", "histograms", "subjects", "training")
# A page with all panels of more settings than this grows beyond what is comfortable to open or send.
_SETTINGS_IN_FULL = 3
_DISAGREEMENTS_SHOWN = 12
_MARKS = {Standing.BETTER.value: "▲", Standing.WORSE.value: "▼", Standing.LEVEL.value: "·"}


def render(
    data: ReportData,
    blocks: Sequence[Block],
    verdict: Verdict,
    pictures: Sequence[Picture],
    ledger: Sequence[LedgerEntry],
    subjects: pd.DataFrame,
) -> str:
    """Fill the page.

    Args:
        data: everything the report shows.
        blocks: the headline results.
        verdict: the verdict on them.
        pictures: all figures; they are embedded, save panels of further methods when there are many settings.
        ledger: published figures beside measured ones.
        subjects: the table of `ccps.report.tables.per_subject`.
    """
    template = _environment().get_template("template.html.j2")
    others = other_conventions(data)
    shown = _embedded(data, pictures)
    return template.render(
        css=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        data=data,
        metrics=METRICS,
        blocks=blocks,
        verdict=verdict,
        note=table_note(data),
        level=f"{data.level:.0%}".replace("%", " %"),
        marks=_MARKS,
        differences=_differences(verdict.comparisons),
        figures=_figures(shown),
        left_in_folder=len(pictures) - len(shown),
        subjects=_records(subjects),
        subject_columns=_subject_columns(data),
        several_settings=len(data.settings) > 1,
        agreement=graders.agreement_table(data),
        disagreements=graders.disagreements_shown(data, _DISAGREEMENTS_SHOWN),
        costs=[{**row, "per_item": _per_item(row)} for row in _records(data.costs[list(COST_COLUMNS)])],
        counts=_records(data.counts[list(COUNT_COLUMNS)]),
        others=others,
        examples=_examples(data.examples),
        ledger=ledger,
        terms=[FORMATS, *([] if data.agreement.empty else [KAPPA])],
        run={str(name): _plain(value) for name, value in data.run.items()},
        sections=_navigation(data, verdict, bool(others), bool(ledger)),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "data_uri": lambda image: f"data:image/png;base64,{base64.b64encode(image.png).decode()}",
        "percent": percent,
        "points": signed_points,
        "count": count,
        "duration": duration,
        "bytes": byte_size,
        "claim": _claim_figure,
        "published": _published_figure,
        "plain_number": plain_number,
        "excerpt": excerpt,
    }
    return environment


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as mappings, with NaN for whatever is missing."""
    rows = table.astype(object).where(table.notna(), math.nan).itertuples(index=False, name=None)
    return [dict(zip(table.columns, row, strict=True)) for row in rows]


def _differences(comparisons: Sequence[Comparison]) -> Mapping[str, Mapping[str, list[Comparison | None]]]:
    """Setting, then other method, then one entry per metric."""
    found = {(c.setting, c.other, c.metric): c for c in comparisons}
    pairs = dict.fromkeys((c.setting, c.other) for c in comparisons)
    tables: dict[str, dict[str, list[Comparison | None]]] = {}
    for setting, other in pairs:
        cells = [found.get((setting, other, metric.name)) for metric in METRICS]
        tables.setdefault(heading_of(setting), {})[other] = cells
    return tables


def _embedded(data: ReportData, pictures: Sequence[Picture]) -> list[Picture]:
    """The figures of the page: with many settings only those panels that show the two main methods."""
    if len(data.settings) <= _SETTINGS_IN_FULL:
        return list(pictures)
    return [image for image in pictures if image.method in (None, data.reference, data.own_method)]


def _figures(pictures: Sequence[Picture]) -> Mapping[str, Mapping[str, list[Picture]]]:
    """Section, then setting or model, then its figures."""
    sections: dict[str, dict[str, list[Picture]]] = {name: {} for name in _SECTIONS}
    for image in pictures:
        sections[image.section].setdefault(image.heading, []).append(image)
    return sections


def _subject_columns(data: ReportData) -> list[tuple[Any, str]]:
    methods = [method for method in (data.reference, data.own_method) if method in data.methods]
    return [(BY_NAME[metric], method) for metric in ("brier", "auroc") for method in methods]


def _per_item(row: Mapping[str, Any]) -> str:
    seconds, items = row["seconds"], row["n"]
    if math.isnan(seconds) or math.isnan(items) or items == 0:
        return DASH
    each = seconds / items
    if each >= 1:
        return f"{each:.2f} s"
    return f"{1000 * each:.0f} ms" if each >= 0.01 else f"{1000 * each:.2f} ms"


def _claim_figure(value: float | None, scale: str) -> str:
    if value is None:
        return DASH
    return f"{signed_points(value)} {'%' if scale == 'relative' else 'points'}"


def _published_figure(value: float | None, scale: str) -> str:
    """A published figure with no more digits than were published."""
    return _claim_figure(value, scale).replace(".0 ", " ")


def _examples(examples: Sequence[Example]) -> Mapping[str, list[Example]]:
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.kind, []).append(example)
    return groups


def _plain(value: object) -> str:
    """A part of the run record as text."""
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def _navigation(data: ReportData, verdict: Verdict, others: bool, ledger: bool) -> list[tuple[str, str]]:
    entries = [
        ("results", "Results", True),
        ("differences", "Differences", bool(verdict.comparisons)),
        ("reliability", "Reliability", True),
        ("coverage", "Risk and coverage", True),
        ("histograms", "Confidence", True),
        ("subjects", "Subjects", True),
        ("graders", "Graders", not data.agreement.empty),
        ("cost", "Cost", True),
        ("counts", "Left out", True),
        ("conventions", "Other conventions", others),
        ("examples", "Examples", bool(data.examples)),
        ("published", "Published figures", ledger),
        ("making", "How it was made", True),
        ("glossary", "Glossary", True),
    ]
    return [(anchor, name) for anchor, name, shown in entries if shown]
