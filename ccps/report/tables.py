"""The tables as files: CSV for machines, Markdown and LaTeX (booktabs) for readers."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ccps.analysis.data import (
    AGREEMENT_COLUMNS,
    DISAGREEMENT_COLUMNS,
    RESULT_COLUMNS,
    ReportData,
)
from ccps.analysis.terms import METRICS
from ccps.report.kit.escape import latex_escape, markdown_escape
from ccps.report.summary import Block, Cell, Row, summarise

CONTROLS = "Controls"
COST_FILE_COLUMNS = ("stage", "seconds", "tokens", "bytes", "peak_memory")


def write_results_csv(results: pd.DataFrame, path: Path, extra: Sequence[str] = ()) -> Path:
    """Write a long results table, its columns in the order of `RESULT_COLUMNS`, missing values empty.

    Args:
        results: the table; values are fractions, `seed` is an integer or missing.
        path: file to write.
        extra: further columns to keep, after the others.
    """
    table = results.loc[:, [*RESULT_COLUMNS, *extra]].copy()
    for column in ("seed", "n"):
        table[column] = pd.to_numeric(table[column]).astype("Int64")
    return _write_csv(table, path)


def write_costs_csv(costs: pd.DataFrame, path: Path) -> Path:
    """Write stage, seconds, tokens, bytes and peak_memory (bytes) of every stage."""
    table = costs.loc[:, list(COST_FILE_COLUMNS)].copy()
    for column in ("tokens", "bytes", "peak_memory"):
        table[column] = pd.to_numeric(table[column]).round().astype("Int64")
    return _write_csv(table, path)


def write_agreement_csv(agreement: pd.DataFrame, path: Path) -> Path:
    """Write how far graders agree, columns `AGREEMENT_COLUMNS`, missing values empty."""
    return _write_csv(agreement.loc[:, list(AGREEMENT_COLUMNS)], path)


def write_disagreements_csv(disagreements: pd.DataFrame, path: Path) -> Path:
    """Write every disagreement in full, columns `DISAGREEMENT_COLUMNS`."""
    table = disagreements.loc[:, list(DISAGREEMENT_COLUMNS)]
    # A carriage return within a text ends the row for readers of CSV unless the text is quoted.
    table.to_csv(path, index=False, lineterminator="\n", quoting=csv.QUOTE_ALL)
    return path


def _write_csv(table: pd.DataFrame, path: Path) -> Path:
    table.to_csv(path, index=False, lineterminator="\n")
    return path


def table_note(data: ReportData) -> str:
    """The line below the main table: units, intervals, convention, seeds and what bold means."""
    how = "means over subjects" if data.aggregate == "macro" else "over all questions at once"
    about = data.convention_note(data.convention)
    return (
        f"Percent, {how}; in brackets {data.level:.0%} intervals. Mode {data.mode}; "
        f"ECE by convention {data.convention}{f' ({about})' if about else ''}. "
        "Where a method is trained with several seeds, the value is their mean, the interval covers the seeds as well "
        "as the questions, and the line below gives the lowest and highest seed. "
        "Bold: best of its column, and the interval of its paired difference to every other method excludes 0."
    ).replace("%", " %")


def missing_notes(blocks: Sequence[Block], data: ReportData) -> list[str]:
    """One line for each dash of the table: where it stands and why."""
    return [
        f"{block.model}, {block.benchmark}: {metric} of {data.label(method)} is missing: {reason}."
        for block in blocks
        for method, metric, reason in block.missing()
    ]


def markdown_tables(blocks: Sequence[Block], data: ReportData) -> str:
    """One Markdown table per block, without notes."""
    return "\n".join(_markdown_block(block, data) for block in blocks)


def _markdown_block(block: Block, data: ReportData) -> str:
    head = ["Method", *(f"{m.label} {'↓' if m.lower_is_better else '↑'}" for m in METRICS), "n"]
    lines = [
        markdown_escape(f"### {block.model} · {block.benchmark} ({block.format})"),
        "",
        _markdown_row(head),
        _markdown_row([":--", *("--:" for _ in head[1:])]),
    ]
    for place, row in enumerate(block.rows):
        if first_control(block, place):
            lines.append(_markdown_row([f"*{CONTROLS}*", *("" for _ in head[1:])]))
        cells = [_markdown_cell(cell) for cell in row.cells]
        lines.append(_markdown_row([markdown_escape(data.label(row.method)), *cells, row.n]))
        if row.seeds > 1:
            lines.append(_markdown_row([f"*{_seed_line(row)}*", *(c.range_text for c in row.cells), ""]))
    return "\n".join([*lines, ""])


def first_control(block: Block, place: int) -> bool:
    """Whether the controls of a block begin in this row."""
    return block.rows[place].control and not (place and block.rows[place - 1].control)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(cell: Cell) -> str:
    value = f"**{cell.value_text}**" if cell.bold else cell.value_text
    return f"{value} {cell.interval_text}".rstrip()


def _seed_line(row: Row) -> str:
    return f"{row.seeds} seeds, lowest–highest"


def main_markdown(blocks: Sequence[Block], data: ReportData) -> str:
    """The main table in Markdown, with its note and a reason for every dash."""
    notes = [table_note(data), *missing_notes(blocks, data)]
    return markdown_tables(blocks, data) + "\n" + "\n".join(f"{markdown_escape(note)}\n" for note in notes)


def main_latex(blocks: Sequence[Block], data: ReportData) -> str:
    """The main table in LaTeX; needs the package booktabs."""
    arrows = [rf"{m.label} $\{'down' if m.lower_is_better else 'up'}arrow$" for m in METRICS]
    width = len(METRICS) + 2
    lines = [
        "% needs \\usepackage{booktabs}",
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        _latex_row(["Method", *arrows, "$n$"]),
    ]
    for block in blocks:
        heading = latex_escape(f"{block.model} · {block.benchmark} ({block.format})")
        lines += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\textit{{{heading}}}}} \\"]
        for place, row in enumerate(block.rows):
            if first_control(block, place):
                lines += [r"\addlinespace", rf"\multicolumn{{{width}}}{{l}}{{\scriptsize {CONTROLS}}} \\"]
            cells = [_latex_cell(cell) for cell in row.cells]
            lines.append(_latex_row([latex_escape(data.label(row.method)), *cells, latex_escape(row.n)]))
            if row.seeds > 1:
                ranges = [rf"{{\scriptsize {latex_escape(cell.range_text)}}}" for cell in row.cells]
                name = rf"\quad{{\scriptsize {latex_escape(_seed_line(row))}}}"
                lines.append(_latex_row([name, *ranges, ""]))
    lines += [r"\bottomrule", r"\end{tabular}"]
    notes = [table_note(data), *missing_notes(blocks, data)]
    lines += [rf"\par{{\footnotesize {latex_escape(note)}}}" for note in notes]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells).rstrip() + r" \\"


def _latex_cell(cell: Cell) -> str:
    value = latex_escape(cell.value_text)
    if cell.bold:
        value = rf"\textbf{{{value}}}"
    return rf"{value} {{\scriptsize {cell.interval_text}}}" if cell.interval_text else value


def other_conventions(data: ReportData) -> dict[str, tuple[Block, ...]]:
    """Blocks of every further convention; without bold, as the resamples are of the headline one."""
    return {
        str(name): summarise(table, data.reference, data.controls)
        for name, table in data.results_other.groupby("convention", sort=False)
    }


def other_markdown(data: ReportData) -> str:
    """All further conventions in Markdown, a section each."""
    sections = []
    for name, blocks in other_conventions(data).items():
        note = data.convention_note(name)
        notes = [markdown_escape(line) + "\n" for line in missing_notes(blocks, data)]
        head = f"## {markdown_escape(name)}\n\n" + (f"{markdown_escape(note)}\n\n" if note else "")
        sections.append(head + "\n".join([markdown_tables(blocks, data), *notes]))
    return "\n".join(sections) or "No further convention was computed.\n"


def per_subject(data: ReportData, measured: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every method within each subject, means over seeds, under the headline convention.

    Args:
        data: scores, and the methods in order.
        measured: the table of `ccps.analysis.resamples.by_subject`.

    Returns:
        Columns model, benchmark, subject, n (distinct questions), llm_accuracy, then `<metric>_<method>`;
        a metric that is not defined on a subject, or was not measured there, is missing.
    """
    keys = ["model", "benchmark", "subject"]
    questions = data.scores.drop_duplicates([*keys, "question_id"]).groupby(keys, sort=True)["correct"]
    table = pd.DataFrame({"n": questions.size(), "llm_accuracy": questions.mean()})
    names = [metric.name for metric in METRICS]
    means = measured.groupby([*keys, "method"])[names].agg(lambda seeds: seeds.mean(skipna=False))
    known = set(measured["method"])
    columns = {
        f"{name}_{method}": means[name].xs(method, level="method") if method in known else math.nan
        for method in data.methods
        for name in names
    }
    return table.join(pd.DataFrame(columns, index=table.index)).reset_index()
