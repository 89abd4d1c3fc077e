"""What each method costs for one question, beside what it achieves."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.ticker import FuncFormatter, PercentFormatter

from ccps.analysis.cost_front import cost_points, cost_rows, front
from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.core.text import DASH, byte_size, count, decimal, duration, percent, seconds_each, slug
from ccps.metrics import METRICS
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import INK, SOFT, WIDE, method_styles, new_figure
from ccps.report.kit.table import Table
from ccps.report.main.job import MAIN, heading_of

_METRICS = ("auroc", "ece")
_HEAD = (
    "Method",
    "Time per question",
    "of it shared",
    "Tokens per question",
    "Trained parameters",
    "Stored per question",
    "Training",
)
_WORDS = (
    "What a method would need if it ran alone, for one question: answering, reading what it reads, and scoring. Shared "
    "is the part that other methods of this run need as well, so that running them together costs less than the sum. "
    "Training is that of one seed, over all training questions, without their answers."
)


def method_cost_section(found: Findings) -> Section | None:
    """Costs of every method, a table for each setting; None where none was measured."""
    data = found.data
    costs = [(setting, cost_rows(data, setting)) for setting in data.settings]
    tables = [
        Table(heading_of(setting), _HEAD, [_row(data, row) for row in rows.itertuples(index=False)])
        for setting, rows in costs
        if not rows.empty
    ]
    if not tables:
        return None
    return Section("method_cost", "What each method costs", [_WORDS], tables, link="Cost of a method")


def _row(data: ReportData, row: Any) -> tuple[str, ...]:
    return (
        data.label(str(row.method)),
        seconds_each(_number(row.seconds)),
        seconds_each(_number(row.shared)),
        _tokens(_number(row.tokens)),
        count(_number(row.parameters)),
        byte_size(_number(row.bytes)),
        duration(_number(row.training_seconds)),
    )


def _number(value: Any) -> float:
    return math.nan if pd.isna(value) else float(value)


def _tokens(number: float) -> str:
    return DASH if math.isnan(number) else decimal(number) if number < 100 else count(number)


@MAIN.figure("method_cost")
def cost_figures(found: Findings) -> Iterator[Picture]:
    """AUROC and ECE against the time for a question, one figure per setting with two methods or more to compare."""
    for setting in found.data.settings:
        points = cost_points(found.data, setting, _METRICS)
        if len(points) > 1:
            yield _draw(found.data, setting, points)


def _draw(data: ReportData, setting: Setting, points: pd.DataFrame) -> Picture:
    styles = method_styles(data.methods)
    n_lines = math.ceil(len(points) / 2)
    figure = new_figure(WIDE, 4.6 + 0.17 * n_lines)
    grid = figure.subplots(2, 1, sharex=True)
    for axes, metric in zip(grid, _METRICS, strict=True):
        best = front(points, metric)
        axes.step(best["seconds"], best[metric], where="post", color=INK, linewidth=0.8, alpha=0.5)
        for number, (method, row) in enumerate(points.iterrows(), start=1):
            label = f"{number}  {data.label(str(method))}" if metric == _METRICS[0] else "_"
            colour = SOFT if method in data.controls else styles[str(method)].colour
            axes.plot(row["seconds"], row[metric], "o", markersize=11, color=colour, alpha=0.9, label=label)
            axes.annotate(
                str(number), (row["seconds"], row[metric]), color="white", fontsize=7, ha="center", va="center_baseline"
            )
        better = "lower" if METRICS[metric].lower_is_better else "higher"
        axes.set_ylabel(f"{METRICS[metric].label}, {better} is better")
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.margins(x=0.08, y=0.15)
    grid[1].set(xscale="log", xlabel="time for one question")
    grid[1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds_each(value)))
    grid[1].xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    figure.legend(loc="outside lower left", ncols=2, markerscale=0.5)
    words = [
        f"{data.label(str(method))} {seconds_each(row['seconds'])}, AUROC {percent(row['auroc'])} %, "
        f"ECE {percent(row['ece'])} %"
        for method, row in points.iterrows()
    ]
    heading = heading_of(setting)
    alt = f"AUROC and ECE against the time for one question on {heading}: {'; '.join(words)}."
    caption = "The line joins the methods that none beats in both time and metric. Controls are grey."
    return picture(figure, heading, f"cost-{slug(*setting)}", caption, alt)
