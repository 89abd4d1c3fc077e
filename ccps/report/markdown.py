"""The report as one Markdown page, to commit beside code; its figures are linked, not embedded."""

import math
from collections.abc import Iterable, Sequence

from ccps.report import graders
from ccps.report.data import ReportData
from ccps.report.figures import Picture
from ccps.report.summary import Block
from ccps.report.tables import main_markdown
from ccps.report.text import byte_size, count, duration, excerpt, markdown_escape, percent, plain_number
from ccps.report.verdict import Verdict

_DISAGREEMENTS_SHOWN = 6


def markdown_report(
    data: ReportData, blocks: Sequence[Block], verdict: Verdict, pictures: Sequence[Picture], figures: str = "figures"
) -> str:
    """Lay out verdict, tables, figures, graders, costs and counts.

    Args:
        data: everything the report shows.
        blocks: the headline results.
        verdict: the verdict on them.
        pictures: the figures, which lie in the folder `figures` beside the page.
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
        f"## {markdown_escape(data.label(data.reference))} against every other method",
        _bullets(markdown_escape(line) for line in verdict.lines),
        "## Figures",
        *(f"![{markdown_escape(image.alt)}]({figures}/{image.name})" for image in pictures),
        _graders(data),
        "## What it cost",
        _costs(data),
        "## Counts, and what was left out",
        _counts(data),
        "## The calibration error under other conventions",
        _conventions(data),
        "## How it was made",
        _making(data),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


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
    rows = []
    for (convention, model, benchmark), group in ece.groupby(["convention", "model", "benchmark"], sort=False):
        means = group.groupby("method")["value"].mean()
        cells = [percent(float(means.get(method, math.nan))) for method in data.methods]
        rows.append((markdown_escape(str(convention)), markdown_escape(f"{model} · {benchmark}"), *cells))
    labels = [markdown_escape(data.label(method)) for method in data.methods]
    names = data.results_other["convention"].drop_duplicates()
    notes = (f"**{markdown_escape(str(name))}**: {markdown_escape(data.convention_note(str(name)))}" for name in names)
    return f"{_table(('Convention', 'Setting', *labels), rows)}\n\n{_bullets(notes)}".strip()


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
