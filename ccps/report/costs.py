"""What each method costs for one question, beside what it achieves: tables and figures."""

import math
from typing import Any

import pandas as pd
from matplotlib.ticker import FuncFormatter, PercentFormatter

from ccps.analysis.averages import setting_means
from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting
from ccps.analysis.terms import BY_NAME
from ccps.core.text import DASH, byte_size, count, decimal, duration, listed, percent, seconds_each, slug
from ccps.report.figures import INK, SOFT, WIDE, Picture, heading_of, method_styles, new_figure, picture
from ccps.report.sections import Section, Table

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


def method_cost_section(data: ReportData) -> Section | None:
    """Costs of every method, a table for each setting; None where none was measured."""
    if data.method_costs.empty:
        return None
    tables = []
    for setting in data.settings:
        rows = _of(data.method_costs, setting)
        if not rows.empty:
            tables.append(Table(heading_of(setting), _HEAD, _rows(data, rows)))
    return Section("method_cost", "What each method costs", [_WORDS], tables)


def _of(costs: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    return costs[(costs["model"] == setting.model) & (costs["benchmark"] == setting.benchmark)]


def _rows(data: ReportData, costs: pd.DataFrame) -> list[tuple[str, ...]]:
    place = {method: number for number, method in enumerate(data.methods)}
    ordered = costs.sort_values("method", key=lambda names: names.map(place), kind="stable")
    return [_row(data, row) for row in ordered.itertuples(index=False)]


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


def cost_figures(data: ReportData) -> list[Picture]:
    """AUROC and ECE against the time for a question, one figure per setting with two methods or more to compare."""
    pictures = []
    for setting in data.settings:
        points = _points(data, setting)
        if len(points) > 1:
            pictures.append(_draw(data, setting, points))
    return pictures


def _points(data: ReportData, setting: Setting) -> pd.DataFrame:
    """Seconds, AUROC and ECE of each method that has all three, numbered from the reference on."""
    costs = _of(data.method_costs, setting).set_index("method")
    points = pd.DataFrame({"seconds": pd.to_numeric(costs["seconds"])})
    for metric in _METRICS:
        means = setting_means(data.results, metric)
        points[metric] = means.loc[setting] if setting in means.index else math.nan
    points = points.reindex([method for method in data.methods if method in points.index])
    return points[points["seconds"] > 0].dropna()


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
        better = "lower" if BY_NAME[metric].lower_is_better else "higher"
        axes.set_ylabel(f"{BY_NAME[metric].label}, {better} is better")
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
    return picture(figure, "method_cost", heading, f"cost-{slug(*setting)}", caption, alt)


def front(points: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The methods that none beats in both time and metric, the fastest first.

    Args:
        points: a column `seconds` and one named like the metric.
        metric: name of the metric.
    """
    ordered = points.sort_values(["seconds", metric], ascending=[True, BY_NAME[metric].lower_is_better])
    best = ordered[metric].cummin() if BY_NAME[metric].lower_is_better else ordered[metric].cummax()
    return ordered[(ordered[metric] == best) & ~best.duplicated()]


def left_out_section(data: ReportData) -> Section | None:
    """Methods that were not run, and why; None where all were."""
    if not data.left_out_methods:
        return None
    rows = [(data.label(one.method), one.reason) for one in data.left_out_methods]
    names = listed([row[0] for row in rows])
    words = [f"Not run: {names}."] if len(rows) > 1 else []
    table = Table("", ("Method", "Why it was not run"), rows, text_columns=2)
    return Section("left_out", "Methods that were left out", words, [table])
