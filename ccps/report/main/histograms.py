"""Mirrored histograms of confidence: right answers upwards, wrong ones downwards."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.analysis.reliability import Confidences, by_truth
from ccps.core.text import percent
from ccps.report.kit.figure import Picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import INK, PANEL_SIZE, method_styles, new_figure, title_left
from ccps.report.main.job import MAIN, best_words, heading_of
from ccps.report.main.panels import Panel, finish, finish_small, grid, pictures

_WRONG = "#8b949d"


def histograms_section(found: Findings) -> Section:
    """What the histograms show."""
    title = "How confidence is spread over right and wrong answers"
    brief = f"histograms; {best_words(found, 'brier')}"
    return Section("histograms", title, link="Confidence", panels=True, folded=brief)


@MAIN.figure("histograms")
def histograms(found: Findings) -> Iterator[Picture]:
    """P(correct) of right and of wrong answers."""
    return pictures(found.data, _histogram, _small_histograms)


def _histogram(data: ReportData, setting: Setting, panel: Panel) -> Picture:
    figure = new_figure(PANEL_SIZE[0], 2.7)
    axes = figure.subplots()
    _draw(axes, panel.rows, method_styles(data.methods)[panel.method].colour)
    axes.set(xlabel="P(correct)", ylabel="answers")
    title_left(axes, data.label(panel.method))
    alt = f"P(correct) by {data.label(panel.method)} on {heading_of(setting)}: {_middles(panel.rows)}."
    return finish(data, figure, "histogram", setting, panel, alt)


def _small_histograms(data: ReportData, setting: Setting, panels: Sequence[Panel]) -> Picture:
    figure, places = grid(len(panels), share_y=False)
    words = []
    for axes, (method, rows, _) in zip(places, panels, strict=True):
        _draw(axes, rows, method_styles(data.methods)[method].colour)
        title_left(axes, data.label(method))
        words.append(f"{data.label(method)}: {_middles(rows)}")
    figure.supxlabel("P(correct)", fontsize=9, y=0.05 / figure.get_figheight(), va="bottom")
    figure.supylabel("answers", fontsize=9)
    alt = f"P(correct) by the other methods on {heading_of(setting)}. {'. '.join(words)}."
    return finish_small(figure, "histograms", setting, panels, alt)


def _draw(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    edges = np.linspace(0, 1, 21)
    right, wrong = by_truth(rows)
    for found, sign, fill in ((right, 1, colour), (wrong, -1, _WRONG)):
        heights = sign * np.histogram(found.values, edges)[0]
        axes.bar(edges[:-1], heights, width=0.05, align="edge", color=fill, edgecolor="white", linewidth=0.6)
    axes.axhline(0, color=INK, linewidth=0.8)
    limit = 1.25 * max(abs(end) for end in axes.get_ylim())
    axes.set(xlim=(0, 1), ylim=(-limit, limit))
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))
    axes.grid(visible=False, axis="x")
    axes.text(0.02, 0.97, "right", transform=axes.transAxes, va="top", color=INK, fontsize=8)
    axes.text(0.02, 0.03, "wrong", transform=axes.transAxes, va="bottom", color=INK, fontsize=8)


def _middles(rows: pd.DataFrame) -> str:
    return "; ".join(map(_middle, by_truth(rows)))


def _middle(found: Confidences) -> str:
    kind, n = "right" if found.correct else "wrong", len(found.values)
    return f"{n:,} {kind} answers with median {percent(found.median)} %" if n else f"no {kind} answer"
