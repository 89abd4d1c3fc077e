"""Panels of one method each: reliability diagrams, and confidence over right and wrong answers.

The main methods have figures of their own; the others share one with small panels, so that a report of twenty methods
stays readable.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from scipy.stats import binomtest

from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting
from ccps.core.text import percent, slug
from ccps.metrics import ReliabilityBins, ece, expected_ece_noise, reliability_bins
from ccps.report.figures import (
    INK,
    PANEL_SIZE,
    SOFT,
    Picture,
    first_seed,
    heading_of,
    main_methods,
    method_styles,
    new_figure,
    picture,
    seed_words,
    title_left,
)

# A diagram draws P(correct) itself, whatever the headline convention bins.
DIAGRAM_CONVENTION = "p_correct"
_NOISE_DRAWS = 200
_GRID_COLUMNS = 3
_WRONG = "#8b949d"


class _Panel(NamedTuple):
    """The scored rows of one method in one setting."""

    method: str
    rows: pd.DataFrame
    note: str


def _panels(data: ReportData, setting: Setting, methods: Sequence[str]) -> Iterator[_Panel]:
    """What panels show; none where nothing is scored."""
    for method in methods:
        rows = first_seed(data.scores, setting, method)
        scored = rows.dropna(subset=["p_correct"])
        if not scored.empty:
            yield _Panel(method, scored, seed_words(rows))


def reliability(data: ReportData) -> list[Picture]:
    """Reliability diagrams: observed against stated, with 95 % Wilson intervals and counts for the main methods."""
    return _pictures(data, _reliability, _small_reliability)


def histograms(data: ReportData) -> list[Picture]:
    """Mirrored histograms: right answers upwards, wrong ones downwards."""
    return _pictures(data, _histogram, _small_histogram)


def _pictures(
    data: ReportData,
    full: Callable[[ReportData, Setting, _Panel], Picture],
    small: Callable[[ReportData, Setting, Sequence[_Panel]], Picture],
) -> list[Picture]:
    pictures = []
    for setting in data.settings:
        main = main_methods(data, setting)
        pictures += [full(data, setting, panel) for panel in _panels(data, setting, main)]
        others = list(_panels(data, setting, [method for method in data.methods if method not in main]))
        if others:
            pictures.append(small(data, setting, others))
    return pictures


class _Reliability(NamedTuple):
    bins: ReliabilityBins
    full: npt.NDArray[np.bool_]
    ece: str
    floor: str

    @property
    def points(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Stated and observed, of the bins that hold an answer."""
        return self.bins.confidence[self.full], self.bins.accuracy[self.full]


def _measure(rows: pd.DataFrame) -> _Reliability:
    p, correct = rows["p_correct"].to_numpy(float), rows["correct"].to_numpy(bool)
    bins = reliability_bins(p, correct, DIAGRAM_CONVENTION)
    floor = expected_ece_noise(p, DIAGRAM_CONVENTION, seed=0, n_draws=_NOISE_DRAWS).q95
    return _Reliability(bins, bins.count > 0, percent(ece(p, correct, DIAGRAM_CONVENTION)), percent(floor))


def _reliability(data: ReportData, setting: Setting, panel: _Panel) -> Picture:
    method, rows, note = panel
    measured = _measure(rows)
    bins, (x, y) = measured.bins, measured.points
    ends = np.array([_wilson(share, n) for share, n in zip(y, bins.count[measured.full], strict=True)])
    bars = np.clip([y - ends[:, 0], ends[:, 1] - y], 0, None)
    colour = method_styles(data.methods)[method].colour
    figure = new_figure(*PANEL_SIZE)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
    _diagonal(top)
    top.errorbar(x, y, yerr=bars, color=colour, marker="o", markersize=4.5, linewidth=1.5, elinewidth=1)
    top.set(ylabel="answers that were right")
    top.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    title_left(top, data.label(method), f"ECE {measured.ece} %, chance alone up to {measured.floor} %")
    bottom.bar(bins.lower, bins.count, width=bins.upper - bins.lower, align="edge", color=colour, alpha=0.45)
    bottom.set(xlabel="P(correct)", ylabel="answers")
    bottom.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    bottom.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    bottom.grid(visible=False, axis="x")
    heading = heading_of(setting)
    alt = (
        f"Reliability diagram of {data.label(method)} on {heading}, {len(rows):,} answers: "
        f"ECE {measured.ece} % against {measured.floor} % from chance alone. "
        + "; ".join(f"stated {percent(a, 0)} %, right {percent(b, 0)} %" for a, b in zip(x, y, strict=True))
        + "."
    )
    name = f"reliability-{slug(*setting, method)}"
    return picture(figure, "reliability", heading, name, note, alt, _extra(data, method))


def _extra(data: ReportData, method: str) -> bool:
    return method not in (data.reference, data.own_method)


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
    axes.set(xlim=(0, 1), ylim=(0, 1))


def _wilson(share: float, n: int) -> tuple[float, float]:
    found = binomtest(round(share * n), int(n)).proportion_ci(method="wilson")
    return found.low, found.high


def _small_reliability(data: ReportData, setting: Setting, panels: Sequence[_Panel]) -> Picture:
    figure, grid = _grid(len(panels), share_y=True)
    words = []
    for axes, (method, rows, _) in zip(grid, panels, strict=True):
        measured = _measure(rows)
        _diagonal(axes)
        axes.plot(*measured.points, color=method_styles(data.methods)[method].colour, marker="o", markersize=3.5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        title_left(axes, data.label(method), f"ECE {measured.ece} %, by chance ≤ {measured.floor} %")
        words.append(f"{data.label(method)} {measured.ece} %")
    figure.supxlabel("P(correct)", fontsize=9, y=0.05 / figure.get_figheight(), va="bottom")
    figure.supylabel("answers that were right", fontsize=9)
    alt = f"Reliability diagrams of the other methods on {heading_of(setting)}, ECE: {', '.join(words)}."
    return _small(figure, "reliability", setting, panels, alt)


def _small(figure: Figure, section: str, setting: Setting, panels: Sequence[_Panel], alt: str) -> Picture:
    notes = " ".join(sorted({panel.note for panel in panels} - {""}))
    caption = f"The other methods. {notes}".strip()
    return picture(figure, section, heading_of(setting), f"{section}-{slug(*setting)}", caption, alt, extra=True)


def _grid(n: int, *, share_y: bool) -> tuple[Figure, list[Axes]]:
    """A figure with `n` small panels in rows, and their axes."""
    n_rows = math.ceil(n / _GRID_COLUMNS)
    width, height = 2.45 * _GRID_COLUMNS, 0.4 + 2.3 * n_rows
    # So many axes take long to arrange, and here their margins are known.
    figure = new_figure(width, height, arranged=False)
    figure.subplots_adjust(
        left=0.75 / width,
        right=1 - 0.2 / width,
        bottom=0.55 / height,
        top=1 - 0.5 / height,
        wspace=0.3,
        hspace=0.45,
    )
    grid = figure.subplots(n_rows, _GRID_COLUMNS, squeeze=False, sharex=True, sharey=share_y).ravel().tolist()
    for axes in grid[:n]:
        axes.set_xticks([0, 0.5, 1])
    for axes in grid[n:]:
        axes.remove()
    for axes in grid[max(0, n - _GRID_COLUMNS) : n]:
        axes.tick_params(labelbottom=True)
    return figure, grid[:n]


def _histogram(data: ReportData, setting: Setting, panel: _Panel) -> Picture:
    method, rows, note = panel
    figure = new_figure(PANEL_SIZE[0], 2.7)
    axes = figure.subplots()
    _draw_histogram(axes, rows, method_styles(data.methods)[method].colour)
    axes.set(xlabel="P(correct)", ylabel="answers")
    title_left(axes, data.label(method))
    alt = f"P(correct) by {data.label(method)} on {heading_of(setting)}: {_middles(rows)}."
    name = f"histogram-{slug(*setting, method)}"
    return picture(figure, "histograms", heading_of(setting), name, note, alt, _extra(data, method))


def _small_histogram(data: ReportData, setting: Setting, panels: Sequence[_Panel]) -> Picture:
    figure, grid = _grid(len(panels), share_y=False)
    words = []
    for axes, (method, rows, _) in zip(grid, panels, strict=True):
        _draw_histogram(axes, rows, method_styles(data.methods)[method].colour)
        title_left(axes, data.label(method))
        words.append(f"{data.label(method)}: {_middles(rows)}")
    figure.supxlabel("P(correct)", fontsize=9, y=0.05 / figure.get_figheight(), va="bottom")
    figure.supylabel("answers", fontsize=9)
    alt = f"P(correct) by the other methods on {heading_of(setting)}. {'. '.join(words)}."
    return _small(figure, "histograms", setting, panels, alt)


def _draw_histogram(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    edges = np.linspace(0, 1, 21)
    right, wrong = _by_truth(rows)
    for values, sign, fill in ((right, 1, colour), (wrong, -1, _WRONG)):
        heights = sign * np.histogram(values, edges)[0]
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


def _by_truth(rows: pd.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """P(correct) of the right and of the wrong answers."""
    p, correct = rows["p_correct"].to_numpy(float), rows["correct"].to_numpy(bool)
    return p[correct], p[~correct]


def _middles(rows: pd.DataFrame) -> str:
    right, wrong = _by_truth(rows)
    return f"{_middle('right', right)}; {_middle('wrong', wrong)}"


def _middle(kind: str, values: npt.NDArray[np.float64]) -> str:
    if not len(values):
        return f"no {kind} answer"
    return f"{len(values):,} {kind} answers with median {percent(float(np.median(values)))} %"
