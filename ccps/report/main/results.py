"""The main tables: every metric of every method."""

from collections.abc import Iterator

import pandas as pd

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.main_table import MainTable, MethodRow, MetricCell
from ccps.core.text import DASH, interval, level_words, listed, percent
from ccps.metrics import CONSTANT
from ccps.metrics.aggregates import FEWEST_PER_SUBJECT, Aggregate, questions_per_subject
from ccps.metrics.calibration import ECE_ABOVE, is_ece_above
from ccps.report.kit.section import Section
from ccps.report.kit.table import Cell, Row, Table

CONTROLS = "Controls"
_ROWS_OPEN = 40
_CONSTANT_CELL = "constant"


def results_section(found: Findings) -> Section:
    """A table for each setting, that of the averages first."""
    tables = [main_table(found.data, table) for table in found.tables]
    return Section(
        "results",
        "Results",
        tables=tables,
        notes=[_note(found.data)],
        folded=found.verdict.conclusion,
        folds_tables=has_many_rows(found),
    )


def has_many_rows(found: Findings) -> bool:
    """Whether all tables but the first are folded on the page."""
    return sum(len(table.rows) for table in found.tables) > _ROWS_OPEN


def main_table(data: ReportData, table: MainTable) -> Table:
    """One row per method, the controls last, and a note for each dash."""
    rows: list[Row] = []
    for place, row in enumerate(table.rows):
        if row.control and not (place and table.rows[place - 1].control):
            rows.append(Row([CONTROLS], "group"))
        kind = "reference" if row.method == data.reference else ""
        rows.append(Row([data.label(row.method), *map(_cell, row.cells), row.n], kind))
        if row.seeds > 1:
            rows.append(_seeds(row, kind))
    where = f"{table.model}, {table.benchmark}"
    notes = [f"{where}: {line}" for line in _missing(data, table)]
    notes += [
        f"{where}: {metric} of {data.label(method)} is over {live} of {seeds} seeds; for the rest, {CONSTANT}."
        for method, metric, live, seeds in table.partial()
    ]
    notes += [f"{where}: {line}" for line in _above(data, table)]
    caption = f"{table.model} · {table.benchmark} ({table.format})"
    return Table(caption, ["Method", *(metric.heading for metric in table.metrics), "n"], rows, notes=notes)


def _missing(data: ReportData, table: MainTable) -> list[str]:
    """A line for each method and reason, with all metrics that it lacks for it."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for method, metric, reason in table.missing():
        lacking.setdefault((method, reason), []).append(metric)
    return [
        f"{listed(metrics)} of {data.label(method)} {'is' if len(metrics) == 1 else 'are'} missing: {reason}."
        for (method, reason), metrics in lacking.items()
    ]


def _above(data: ReportData, table: MainTable) -> Iterator[str]:
    """A line where the interval of an ECE lies above it."""
    for place, metric in enumerate(table.metrics):
        cells = {row.method: row.cells[place] for row in table.rows}
        methods = [data.label(name) for name, one in cells.items() if is_ece_above(metric.name, one.value, one.low)]
        if methods:
            yield f"of {listed(methods)} {ECE_ABOVE}."


def _cell(cell: MetricCell) -> Cell:
    if cell.reason == CONSTANT:
        return Cell(_CONSTANT_CELL)
    return Cell(percent(cell.value), interval(cell.low, cell.high), bold=cell.bold)


def _seeds(row: MethodRow, kind: str) -> Row:
    is_of_all = any(cell.behind for cell in row.cells)
    values = [cell.behind if is_of_all else cell.seed_values for cell in row.cells]
    ranges = [
        DASH if cell.reason or not own else f"{percent(min(own))}–{percent(max(own))}"
        for cell, own in zip(row.cells, values, strict=True)
    ]
    words = f"single seeds of {row.seeds}" if is_of_all else f"{row.seeds} seeds"
    return Row([f"{words}, lowest–highest", *ranges, ""], f"{kind} spread".strip())


def aggregate_words(data: ReportData) -> str:
    """Which figures lead, pooled or means over subjects, and why."""
    found: dict[str, list[str]] = {}
    for benchmark, rows in data.scores.drop_duplicates(["benchmark", "question_id"]).groupby("benchmark", sort=False):
        how = data.aggregates.get(str(benchmark), "macro")
        found.setdefault(_aggregated(how, rows["subject"]), []).append(str(benchmark))
    parts = [f"on {listed(names)} they are {words}" for words, names in found.items()]
    return f"Which figures lead: {'; '.join(parts)}. The other kind stands in results.csv, by the column aggregate."


def _aggregated(how: Aggregate, subjects: "pd.Series[str]") -> str:
    size, n_subjects = questions_per_subject(subjects), subjects.nunique()
    words = "over all questions at once" if how == "pooled" else "means over subjects"
    if n_subjects == 1:
        return f"{words}, as there is one subject" if how == "pooled" else f"{words}, of which there is one"
    noisy = size < FEWEST_PER_SUBJECT
    if how == "pooled" and noisy:
        return f"{words}, as of {size:g} questions a subject a mean over subjects is mostly noise"
    asked = noisy or how == "pooled"
    return f"{words} ({size:g} questions a subject{', and so it was asked for' if asked else ''})"


def _note(data: ReportData) -> str:
    """Units, intervals, convention, seeds and what bold means."""
    about = data.convention_note(data.convention)
    return (
        f"Percent; in brackets {level_words(data.level)} intervals. {aggregate_words(data)} Mode {data.mode}; "
        f"ECE by convention {data.convention}{f' ({about})' if about else ''}. "
        "Where a method is trained with several seeds, the value is their mean, the interval covers the seeds as well "
        "as the questions, and the line below gives the lowest and highest seed. Where the probes of all seeds are "
        "averaged into one (seed `all` in the CSV), the value and interval are that probe's. "
        "Bold: best of its column, and the interval of its paired difference to every other method excludes 0."
    )
