"""Reliability diagrams: observed against stated."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.analysis.reliability import Reliability, reliability
from ccps.core.text import percent
from ccps.report.kit.figure import Picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import PANEL_SIZE, REFERENCE_COLOUR, SOFT, method_styles, new_figure, title_left
from ccps.report.main.job import MAIN, best_words, heading_of
from ccps.report.main.panels import Panel, finish, finish_small, grid, pictures

_WORDS = (
    "A point on the diagonal says: of the answers given this confidence, this share was right. Below it lies "
    "overconfidence, above it underconfidence. The bars underneath count the answers.",
    "The ECE printed in a diagram is that of what it draws: P(correct) over all questions at once. The table above "
    "uses the convention named there. A perfectly calibrated method would stay below the second number 95 % of the "
    "time.",
)


def reliability_section(found: Findings) -> Section:
    """What the diagrams show."""
    title, brief = "Does P(correct) mean what it says?", f"reliability diagrams; {best_words(found, 'ece')}"
    return Section("reliability", title, _WORDS, link="Reliability", panels=True, folded=brief)


@MAIN.figure("reliability")
def reliability_diagrams(found: Findings) -> Iterator[Picture]:
    """Observed against stated, with 95 % Wilson intervals and counts for the main methods."""
    return pictures(found.data, _diagram, _small_diagrams)


def _diagram(data: ReportData, setting: Setting, panel: Panel) -> Picture:
    label = data.label(panel.method)
    figure, words = diagram(panel.rows, label, method_styles(data.methods)[panel.method].colour)
    alt = f"Reliability diagram of {label} on {heading_of(setting)}, {len(panel.rows):,} answers: {words}"
    return finish(data, figure, "reliability", setting, panel, alt)


def diagram(rows: pd.DataFrame, title: str, colour: str = REFERENCE_COLOUR) -> tuple[Canvas, str]:
    """A reliability diagram of scored rows (p_correct, correct), and what is to be seen in it."""
    measured = reliability(rows)
    bins, (x, y) = measured.bins, (measured.stated, measured.right)
    bars = np.clip([y - measured.low, measured.high - y], 0, None)
    error, noise = percent(measured.ece), percent(measured.noise)
    figure = new_figure(*PANEL_SIZE)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
    _diagonal(top)
    top.errorbar(x, y, yerr=bars, color=colour, marker="o", markersize=4.5, linewidth=1.5, elinewidth=1)
    top.set(ylabel="answers that were right")
    top.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    flat = f"{measured.flat}; " if measured.flat else ""
    title_left(top, title, f"{flat}ECE {error} %, chance alone up to {noise} %")
    bottom.bar(bins.lower, bins.count, width=bins.upper - bins.lower, align="edge", color=colour, alpha=0.45)
    bottom.set(xlabel="P(correct)", ylabel="answers")
    bottom.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    bottom.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    bottom.grid(visible=False, axis="x")
    points = "; ".join(f"stated {percent(a, 0)} %, right {percent(b, 0)} %" for a, b in zip(x, y, strict=True))
    return figure, f"ECE {error} % against {noise} % from chance alone. {_flat_sentence(measured)}{points}."


def _flat_sentence(measured: Reliability) -> str:
    return f"{measured.flat}, so that a point stands for all answers. " if measured.flat else ""


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
    axes.set(xlim=(0, 1), ylim=(0, 1))


def _small_diagrams(data: ReportData, setting: Setting, panels: Sequence[Panel]) -> Picture:
    figure, places = grid(len(panels), share_y=True)
    words = []
    for axes, (method, rows, _) in zip(places, panels, strict=True):
        measured, colour = reliability(rows), method_styles(data.methods)[method].colour
        error = percent(measured.ece)
        _diagonal(axes)
        axes.plot(measured.stated, measured.right, color=colour, marker="o", markersize=3.5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        below = measured.flat or f"ECE {error} %, by chance ≤ {percent(measured.noise)} %"
        title_left(axes, data.label(method), below)
        flat = f" ({measured.flat})" if measured.flat else ""
        words.append(f"{data.label(method)} {error} %{flat}")
    figure.supxlabel("P(correct)", fontsize=9, y=0.05 / figure.get_figheight(), va="bottom")
    figure.supylabel("answers that were right", fontsize=9)
    alt = f"Reliability diagrams of the other methods on {heading_of(setting)}, ECE: {', '.join(words)}."
    return finish_small(figure, "reliability", setting, panels, alt)
