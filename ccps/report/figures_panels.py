"""One small panel per method: reliability diagrams, and confidence over right and wrong answers."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter
from scipy.stats import binomtest

from ccps.metrics import ece, expected_ece_noise, reliability_bins
from ccps.report.data import ReportData
from ccps.report.figures import (
    INK,
    PANEL_SIZE,
    SOFT,
    Picture,
    first_seed,
    heading_of,
    method_styles,
    new_figure,
    picture,
    seed_words,
    title_left,
)
from ccps.report.text import percent, slug

# A diagram draws P(correct) itself, whatever the headline convention bins.
DIAGRAM_CONVENTION = "p_correct"
_NOISE_DRAWS = 200
_WRONG = "#8b949d"


class _Panel(NamedTuple):
    heading: str
    method: str
    stem: str
    rows: pd.DataFrame
    caption: str


def _panels(data: ReportData) -> Iterator[_Panel]:
    """What every panel shows: the scored rows of one method in one setting; none where nothing is scored."""
    for setting in data.settings:
        for method in data.methods:
            rows = first_seed(data.scores, setting, method)
            scored = rows.dropna(subset=["p_correct"])
            if not scored.empty:
                yield _Panel(heading_of(setting), method, slug(*setting, method), scored, seed_words(rows))


def reliability(data: ReportData) -> list[Picture]:
    """A reliability diagram per method: observed against stated, 95 % Wilson intervals, counts below."""
    return [_reliability(data, panel) for panel in _panels(data)]


def _reliability(data: ReportData, panel: _Panel) -> Picture:
    heading, method, stem, rows, caption = panel
    p, correct = rows["p_correct"].to_numpy(float), rows["correct"].to_numpy(bool)
    bins = reliability_bins(p, correct, DIAGRAM_CONVENTION)
    error = percent(ece(p, correct, DIAGRAM_CONVENTION))
    floor = percent(expected_ece_noise(p, DIAGRAM_CONVENTION, seed=0, n_draws=_NOISE_DRAWS).q95)
    colour = method_styles(data.methods)[method].colour
    figure = new_figure(*PANEL_SIZE)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
    top.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
    full = bins.count > 0
    count, x, y = bins.count[full], bins.confidence[full], bins.accuracy[full]
    ends = np.array([_wilson(share, n) for share, n in zip(y, count, strict=True)])
    bars = np.clip([y - ends[:, 0], ends[:, 1] - y], 0, None)
    top.errorbar(x, y, yerr=bars, color=colour, marker="o", markersize=4.5, linewidth=1.5, elinewidth=1)
    top.set(xlim=(0, 1), ylim=(0, 1), ylabel="answers that were right")
    top.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    title_left(top, data.label(method), f"ECE {error} %, chance alone up to {floor} %")
    bottom.bar(bins.lower, bins.count, width=bins.upper - bins.lower, align="edge", color=colour, alpha=0.45)
    bottom.set(xlabel="P(correct)", ylabel="answers")
    bottom.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    bottom.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    bottom.grid(visible=False, axis="x")
    alt = (
        f"Reliability diagram of {data.label(method)} on {heading}, {len(rows):,} answers: "
        f"ECE {error} % against {floor} % from chance alone. "
        + "; ".join(f"stated {percent(a, 0)} %, right {percent(b, 0)} %" for a, b in zip(x, y, strict=True))
        + "."
    )
    return picture(figure, "reliability", heading, f"reliability-{stem}", caption, alt, method)


def _wilson(share: float, n: int) -> tuple[float, float]:
    found = binomtest(round(share * n), int(n)).proportion_ci(method="wilson")
    return found.low, found.high


def histograms(data: ReportData) -> list[Picture]:
    """A mirrored histogram per method: right answers upwards, wrong ones downwards."""
    return [_histogram(data, panel) for panel in _panels(data)]


def _histogram(data: ReportData, panel: _Panel) -> Picture:
    heading, method, stem, rows, caption = panel
    right = rows.loc[rows["correct"], "p_correct"].to_numpy(float)
    wrong = rows.loc[~rows["correct"], "p_correct"].to_numpy(float)
    edges = np.linspace(0, 1, 21)
    figure = new_figure(PANEL_SIZE[0], 2.7)
    axes = figure.subplots()
    colour = method_styles(data.methods)[method].colour
    for values, sign, fill in ((right, 1, colour), (wrong, -1, _WRONG)):
        heights = sign * np.histogram(values, edges)[0]
        axes.bar(edges[:-1], heights, width=0.05, align="edge", color=fill, edgecolor="white", linewidth=0.6)
    axes.axhline(0, color=INK, linewidth=0.8)
    limit = 1.25 * max(abs(end) for end in axes.get_ylim())
    axes.set(xlim=(0, 1), ylim=(-limit, limit), xlabel="P(correct)", ylabel="answers")
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))
    axes.grid(visible=False, axis="x")
    axes.text(0.02, 0.97, "right", transform=axes.transAxes, va="top", color=INK, fontsize=8)
    axes.text(0.02, 0.03, "wrong", transform=axes.transAxes, va="bottom", color=INK, fontsize=8)
    title_left(axes, data.label(method))
    medians = f"{_middle('right', right)}; {_middle('wrong', wrong)}"
    alt = f"P(correct) by {data.label(method)} on {heading}: {medians}."
    return picture(figure, "histograms", heading, f"histogram-{stem}", caption, alt, method)


def _middle(kind: str, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    if not len(values):
        return f"no {kind} answer"
    return f"{len(values):,} {kind} answers with median {percent(float(np.median(values)))} %"
