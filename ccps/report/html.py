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

from ccps.analysis.data import COST_COLUMNS, COUNT_COLUMNS, ReportData
from ccps.analysis.records import Example
from ccps.analysis.terms import BY_NAME, FORMATS, KAPPA, METRICS
from ccps.analysis.verdict import MARKS, ExperimentVerdict, PairedDifference
from ccps.core.text import DASH, byte_size, count, duration, excerpt, percent, plain_number, seconds_each, signed_points
from ccps.report import graders
from ccps.report.figures import Picture, heading_of, of_page
from ccps.report.sections import Section
from ccps.report.summary import Block
from ccps.report.tables import CONTROLS, first_control, other_conventions, table_note

_HERE = Path(__file__).parent
# Tables of more rows than this are folded, save the first of them.
_ROWS_OPEN = 40
_DISAGREEMENTS_SHOWN = 12


def render(
    data: ReportData,
    blocks: Sequence[Block],
    verdict: ExperimentVerdict,
    pictures: Sequence[Picture],
    sections: Mapping[str, Section],
    subjects: pd.DataFrame,
) -> str:
    """Fill the page.

    Args:
        data: everything the report shows.
        blocks: the headline results.
        verdict: the verdict on them.
        pictures: all figures; they are embedded, save the extra ones when there are many settings.
        sections: the parts made of words and tables, by anchor.
        subjects: the table of `ccps.report.tables.per_subject`.
    """
    template = _environment().get_template("template.html.j2")
    others = other_conventions(data)
    shown = of_page(pictures, len(data.settings))
    return template.render(
        css=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        data=data,
        metrics=METRICS,
        controls=CONTROLS,
        first_control=first_control,
        blocks=blocks,
        fold=sum(len(block.rows) for block in blocks) > _ROWS_OPEN,
        verdict=verdict,
        note=table_note(data),
        level=f"{data.level:.0%}".replace("%", " %"),
        marks={kind.value: mark for kind, mark in MARKS.items()},
        differences=_differences(data, verdict.comparisons),
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
        parts=sections,
        terms=[FORMATS, *([] if data.agreement.empty else [KAPPA])],
        run={str(name): _plain(value) for name, value in data.run.items()},
        sections=_navigation(data, verdict, bool(others), sections),
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
        "plain_number": plain_number,
        "excerpt": excerpt,
    }
    return environment


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as mappings, with NaN for whatever is missing."""
    rows = table.astype(object).where(table.notna(), math.nan).itertuples(index=False, name=None)
    return [dict(zip(table.columns, row, strict=True)) for row in rows]


def _differences(
    data: ReportData, comparisons: Sequence[PairedDifference]
) -> Mapping[str, Mapping[str, list[PairedDifference | None]]]:
    """Setting, then other method, then one entry per metric."""
    found = {(c.setting, c.other, c.metric): c for c in comparisons}
    pairs = dict.fromkeys((c.setting, c.other) for c in comparisons)
    tables: dict[str, dict[str, list[PairedDifference | None]]] = {}
    for setting, other in sorted(pairs, key=lambda pair: data.methods.index(pair[1])):
        cells = [found.get((setting, other, metric.name)) for metric in METRICS]
        tables.setdefault(heading_of(setting), {})[other] = cells
    return tables


def _figures(pictures: Sequence[Picture]) -> Mapping[str, Mapping[str, list[Picture]]]:
    """Section, then setting or model, then its figures."""
    sections: dict[str, dict[str, list[Picture]]] = {}
    for image in pictures:
        sections.setdefault(image.section, {}).setdefault(image.heading, []).append(image)
    return sections


def _subject_columns(data: ReportData) -> list[tuple[Any, str]]:
    methods = [method for method in (data.reference, data.own_method) if method in data.methods]
    return [(BY_NAME[metric], method) for metric in ("brier", "auroc") for method in methods]


def _per_item(row: Mapping[str, Any]) -> str:
    seconds, items = row["seconds"], row["n"]
    if math.isnan(seconds) or math.isnan(items) or items == 0:
        return DASH
    return seconds_each(seconds / items)


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


def _navigation(
    data: ReportData, verdict: ExperimentVerdict, others: bool, parts: Mapping[str, Section]
) -> list[tuple[str, str]]:
    entries = [
        ("results", "Results", True),
        ("headline", "Headline", "headline" in parts),
        ("differences", "Differences", bool(verdict.comparisons)),
        ("reliability", "Reliability", True),
        ("coverage", "Risk and coverage", True),
        ("histograms", "Confidence", True),
        ("subjects", "Subjects", True),
        ("graders", "Graders", not data.agreement.empty),
        ("importance", "Features", "importance" in parts),
        ("method_cost", "Cost of a method", "method_cost" in parts),
        ("cost", "Cost", True),
        ("left_out", "Methods left out", "left_out" in parts),
        ("counts", "Left out", True),
        ("audit", "Leak audit", "audit" in parts),
        ("conventions", "Other conventions", others),
        ("examples", "Examples", bool(data.examples)),
        ("published", "Published figures", "published" in parts),
        ("making", "How it was made", True),
        ("glossary", "Glossary", True),
    ]
    return [(anchor, name) for anchor, name, shown in entries if shown]
