"""The reference beside the model's own probability, subject by subject."""

from collections.abc import Iterator, Sequence

import pandas as pd
from matplotlib.ticker import PercentFormatter

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.analysis.shown import at, subject_methods
from ccps.core.text import count, percent, slug
from ccps.metrics import METRICS
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Block, Section
from ccps.report.kit.style import INK, SOFT, WIDE, method_styles, new_figure
from ccps.report.kit.table import Cell, Table
from ccps.report.main.job import MAIN, heading_of

_SUBJECT_METRIC = "brier"
_TABLE_METRICS = ("brier", "auroc")
_CAPTION = (
    "Percent. All methods and metrics stand in tables/per_subject.csv. – : not defined on so few answers, or not "
    "measured."
)


def subjects_section(found: Findings) -> Section:
    """Figures, and on the page a table; Markdown leaves that to its file."""
    n = len(found.subjects)
    return Section(
        "subjects",
        "By subject",
        link="Subjects",
        folded=f"{n} {'subject' if n == 1 else 'subjects'}, figure and table",
        more=Block(_table(found).html("Results by subject")),
    )


def _table(found: Findings) -> Table:
    data = found.data
    columns = [(METRICS[metric], method) for metric in _TABLE_METRICS for method in subject_methods(data)]
    several = len(data.settings) > 1
    heads = [Cell(one.heading, data.label(method)) for one, method in columns]
    rows = [
        (
            *([f"{row['model']}, {row['benchmark']}"] if several else []),
            str(row["subject"]).replace("_", " "),
            count(row["n"]),
            percent(row["llm_accuracy"]),
            *(percent(float(row[f"{one.name}_{method}"])) for one, method in columns),
        )
        for row in found.subjects.to_dict("records")
    ]
    head: list[str | Cell] = [*(["Model, benchmark"] if several else []), "Subject", "n", "LLM accuracy", *heads]
    return Table(_CAPTION, head, rows, "ll" if several else "l")


@MAIN.figure("subjects")
def subject_figures(found: Findings) -> Iterator[Picture]:
    """Brier score of each subject, the reference beside the own probability."""
    data, methods = found.data, subject_methods(found.data)
    for setting in data.settings if methods else ():
        here = at(found.subjects, setting)
        if not here.empty:
            yield _subjects(data, setting, here, methods)


def _subjects(data: ReportData, setting: Setting, table: pd.DataFrame, methods: Sequence[str]) -> Picture:
    columns = [f"{_SUBJECT_METRIC}_{method}" for method in methods]
    rows = table.sort_values(columns[0], ascending=False, kind="stable", na_position="first")
    places = range(len(rows))
    figure = new_figure(WIDE, 1.3 + 0.2 * len(rows))
    axes = figure.subplots()
    axes.hlines(places, rows[columns].min(axis=1), rows[columns].max(axis=1), color=SOFT, linewidth=0.8, alpha=0.6)
    styles = method_styles(data.methods)
    for place, method in reversed(list(enumerate(methods))):
        axes.plot(
            rows[columns[place]],
            places,
            linestyle="none",
            marker="o",
            markersize=5,
            color=styles[method].colour,
            markerfacecolor=styles[method].colour if place == 0 else "white",
            label=data.label(method),
        )
    axes.set_yticks(places, [_subject_label(name, n) for name, n in zip(rows["subject"], rows["n"], strict=True)])
    axes.set(ylim=(-0.7, len(rows) - 0.3), xlabel="Brier score in percent, lower is better")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=2)
    alt = f"Brier score by subject on {heading_of(setting)}, {len(rows)} subjects"
    if len(methods) == 2:
        ahead = int((rows[columns[0]] < rows[columns[1]]).sum())
        alt += f"; {data.label(methods[0])} is lower than {data.label(methods[1])} in {ahead} of them"
    caption = "Subjects with few questions scatter widely; the number after each name counts them."
    name = f"subjects-{slug(*setting)}"
    return picture(figure, heading_of(setting), name, caption, f"{alt}.")


def _subject_label(name: object, n: int) -> str:
    return f"{str(name).replace('_', ' ')}  {n}"
