"""The report as one Markdown page, to commit beside code; its figures are linked, not embedded."""

import math
from collections.abc import Iterable, Mapping, Sequence

from ccps.analysis.data import ReportData
from ccps.analysis.terms import METRICS
from ccps.analysis.verdict import MARKS, ExperimentVerdict, PairedDifference
from ccps.core.text import byte_size, count, duration, excerpt, percent, plain_number
from ccps.report import graders
from ccps.report.figures import Picture, heading_of, of_page
from ccps.report.kit.escape import markdown_escape
from ccps.report.sections import Section
from ccps.report.summary import Block
from ccps.report.tables import main_markdown

_DISAGREEMENTS_SHOWN = 6


def markdown_report(
    data: ReportData,
    blocks: Sequence[Block],
    verdict: ExperimentVerdict,
    pictures: Sequence[Picture],
    parts: Mapping[str, Section],
    figures: str = "figures",
) -> str:
    """Lay out verdict, tables, figures, graders, costs, counts and all other parts.

    Args:
        data: everything the report shows.
        blocks: the headline results.
        verdict: the verdict on them.
        pictures: the figures, which lie in the folder `figures` beside the page.
        parts: the parts made of words and tables, by anchor.
        figures: that folder, as it is linked.
    """
    facts = [f"**{markdown_escape(fact.name)}**: {markdown_escape(fact.text)}" for fact in data.facts]
    sections = [
        f"# {markdown_escape(data.title)}",
        f"**{markdown_escape(verdict.conclusion)}**",
        markdown_escape(data.question),
        _bullets(facts),
        "## Results",
        main_markdown(blocks, data).strip(),
        _part(parts, "headline"),
        _differences(data, verdict.comparisons),
        "## Figures",
        *(
            f"![{markdown_escape(image.alt)}]({figures}/{image.name})"
            for image in of_page(pictures, len(data.settings))
        ),
        _graders(data),
        _part(parts, "importance"),
        _part(parts, "method_cost"),
        "## What it cost",
        _costs(data),
        _part(parts, "left_out"),
        "## Counts, and what was left out",
        _counts(data),
        _part(parts, "audit"),
        "## The calibration error under other conventions",
        _conventions(data),
        _part(parts, "published"),
        "## How it was made",
        _making(data),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _part(parts: Mapping[str, Section], anchor: str) -> str:
    """A part of words and tables; empty where there is none of this name."""
    if anchor not in parts:
        return ""
    part = parts[anchor]
    tables = []
    for table in part.tables:
        rows = [[markdown_escape(cell) for cell in row] for row in table.rows]
        caption = [f"**{markdown_escape(table.caption)}**"] if table.caption else []
        tables += [*caption, _table([markdown_escape(name) for name in table.head], rows, table.text_columns)]
    words = [markdown_escape(line) for line in part.words]
    notes = [_bullets(markdown_escape(note) for note in part.notes)] if part.notes else []
    return "\n\n".join([f"## {markdown_escape(part.title)}", *words, *tables, *notes])


def _differences(data: ReportData, comparisons: Sequence[PairedDifference]) -> str:
    """A table of paired differences for each setting, a row for each other method, the controls last."""
    if not comparisons:
        return ""
    name = data.label(data.reference)
    sections = [
        f"## {markdown_escape(name)} against every other method",
        markdown_escape(
            f"Paired differences, {name} minus the other, in percentage points, with {data.level:.0%} intervals: "
            f"{', '.join(f'{mark} {kind.value}' for kind, mark in MARKS.items())}. "
            "They are not corrected for the number of comparisons.".replace("%", " %")
        ),
    ]
    found = {(c.setting, c.other, c.metric): c for c in comparisons}
    for setting in dict.fromkeys(c.setting for c in comparisons):
        others = dict.fromkeys(c.other for c in comparisons if c.setting == setting)
        rows = []
        for other in sorted(others, key=data.methods.index):
            cells = [found.get((setting, other, metric.name)) for metric in METRICS]
            texts = [cell.marked if cell else "–" for cell in cells]
            suffix = " (control)" if other in data.controls else ""
            rows.append([markdown_escape(text) for text in (data.label(other) + suffix, *texts)])
        sections += [f"**{markdown_escape(heading_of(setting))}**", _table(("Against", *_metric_heads()), rows)]
    return "\n\n".join(sections)


def _metric_heads() -> list[str]:
    return [f"{metric.label} {'↓' if metric.lower_is_better else '↑'}" for metric in METRICS]


def _graders(data: ReportData) -> str:
    """How far the graders agree, and some answers they judge differently; empty where there is nothing to compare."""
    if data.agreement.empty:
        return ""
    table = graders.agreement_table(data)
    shown = graders.disagreements_shown(data, _DISAGREEMENTS_SHOWN)
    rows = [[markdown_escape(cell) for cell in row] for row in table.rows]
    return "\n\n".join(
        [
            "## Do the graders agree?",
            markdown_escape(table.meaning),
            _table(table.head, rows, text_columns=2),
            *([_bullets(markdown_escape(note) for note in table.notes)] if table.notes else []),
            markdown_escape(shown.words),
            *(_disagreement(one) for one in shown.chosen),
        ]
    )


def _disagreement(one: graders.Disagreement) -> str:
    texts = (("Question", one.question), ("Accepted", one.accepted), ("Answer", one.answer))
    lines = [f"{name}: {markdown_escape(excerpt(text))}" for name, text in texts]
    head = f"**{markdown_escape(one.verdicts)}** ({markdown_escape(one.setting)})"
    return "\n".join([f"- {head}", *(f"  - {line}" for line in lines)])


def _costs(data: ReportData) -> str:
    rows = [
        (
            str(row.stage),
            duration(row.seconds),
            count(row.n),
            count(row.tokens),
            byte_size(row.bytes),
            byte_size(row.peak_memory),
        )
        for row in data.costs.itertuples(index=False)
    ]
    return _table(("Stage", "Time", "Items", "Tokens", "On disk", "Peak memory so far"), rows)


def _counts(data: ReportData) -> str:
    rows = [
        (markdown_escape(str(row.what)), plain_number(row.number), markdown_escape(str(row.reason)))
        for row in data.counts.itertuples(index=False)
    ]
    return _table(("What", "Number", "Why, and what it means"), rows)


def _conventions(data: ReportData) -> str:
    """ECE by convention, means over seeds; `tables/other_conventions.md` holds all metrics with intervals."""
    ece = data.results_other[data.results_other["metric"] == "ece"]
    names = [str(name) for name in ece["convention"].drop_duplicates()]
    sections = []
    for (model, benchmark), group in ece.groupby(["model", "benchmark"], sort=False):
        means = group.groupby(["method", "convention"])["value"].mean()
        rows = [
            (
                markdown_escape(data.label(method)),
                *(percent(float(means.get((method, name), math.nan))) for name in names),
            )
            for method in data.methods
        ]
        head = ("Method", *(markdown_escape(name) for name in names))
        sections += [f"**{markdown_escape(f'{model} · {benchmark}')}**", _table(head, rows)]
    notes = (f"**{markdown_escape(name)}**: {markdown_escape(data.convention_note(name))}" for name in names)
    return "\n\n".join([*sections, _bullets(notes)]).strip() or "None."


def _making(data: ReportData) -> str:
    machine, versions = data.run.get("machine", {}), data.run.get("versions", {})
    lines = [
        f"Commit {data.run.get('commit') or 'unknown'}, seeds {', '.join(map(str, data.run.get('seeds', [])))}",
        ", ".join(f"{name} {value}" for name, value in machine.items() if value is not None),
        ", ".join(f"{name} {value}" for name, value in versions.items() if value is not None),
    ]
    return _bullets(markdown_escape(line) for line in lines if line)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    if not rows:
        return "None."
    lines = [head, [":--" if place < text_columns else "--:" for place in range(len(head))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
