"""The report as one Markdown page, to commit beside code; its figures are linked, not embedded."""

import math
from collections.abc import Iterable, Sequence

from ccps.report.data import ReportData
from ccps.report.figures import Picture
from ccps.report.summary import Block
from ccps.report.tables import main_markdown
from ccps.report.text import byte_size, count, duration, markdown_escape, percent
from ccps.report.verdict import Verdict


def markdown_report(
    data: ReportData, blocks: Sequence[Block], verdict: Verdict, pictures: Sequence[Picture], figures: str = "figures"
) -> str:
    """Lay out verdict, tables, figures, costs and counts.

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
        (markdown_escape(str(row.what)), count(float(row.number)), markdown_escape(str(row.reason)))
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


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "None."
    lines = [head, [":--", *("--:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
