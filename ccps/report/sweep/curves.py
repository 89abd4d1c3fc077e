"""Metrics against the radius."""

import math
from collections.abc import Iterator

import pandas as pd
from matplotlib.ticker import FuncFormatter, PercentFormatter

from ccps.analysis.sweep_choices import by_radius, collapsed_radii
from ccps.analysis.sweep_data import Place, SweepData
from ccps.core.text import percent, slug
from ccps.metrics import CONTEST, Metric
from ccps.probes.collapse import ONE_P
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import SOFT, method_styles, new_figure, title_left
from ccps.report.sweep.job import SWEEP

_COLUMNS = 3


def curves_section(data: SweepData) -> Section:
    """What the curves show."""
    return Section("curves", "Metrics against the radius")


@SWEEP.figure("curves")
def curves(data: SweepData) -> Iterator[Picture]:
    """All metrics against the radius, one figure per place, one line per direction, at the paper's steps."""
    return (_curves(data, place) for place in data.places)


def _curves(data: SweepData, place: Place) -> Picture:
    rows = data.at(place)
    rows = rows[rows["steps"] == data.paper.steps]
    styles = method_styles(rows["direction"].drop_duplicates().tolist())
    # The panel after the last metric holds the legend.
    n_lines = math.ceil((len(CONTEST) + 1) / _COLUMNS)
    figure = new_figure(10.2, 2.8 * n_lines)
    panels = figure.subplots(n_lines, _COLUMNS, sharex=True, squeeze=False).ravel()
    for axes, metric in zip(panels, CONTEST.values(), strict=False):
        for direction, style in reversed(styles.items()):
            means = by_radius(rows, direction, metric.name)
            axes.plot(means.index, means, color=style.colour, linestyle=style.dashes, marker=".", label=direction)
            if data.paper.radius in means.index:
                axes.plot(data.paper.radius, means[data.paper.radius], "o", mfc="white", mec=style.colour, ms=6)
            dead = collapsed_radii(rows, direction)
            axes.plot(dead, means.reindex(dead), "x", color=style.colour, ms=7)
        axes.axvline(data.paper.radius, color=SOFT, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set_xlabel("radius")
        axes.tick_params(labelbottom=True)
        title_left(axes, metric.label, "lower is better" if metric.lower_is_better else "higher is better")
    legend = panels[len(CONTEST)]
    for axes in panels[len(CONTEST) :]:
        axes.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    legend.legend(handles[::-1], labels[::-1], loc="center left", title="direction", alignment="left")
    caption = (
        f"{data.paper.steps} steps to each radius. Ringed, on the dotted line: {data.paper.words}. Means over seeds."
    )
    if rows["collapsed"].any():
        caption += f" Crossed: {ONE_P}, the probe has collapsed."
    alt = f"Metrics against the radius on {place.heading}: " + "; ".join(
        _extremes(rows, direction, CONTEST["auroc"]) for direction in styles
    )
    return picture(figure, place.heading, f"curves-{slug(*place)}", caption, f"{alt}.")


def _extremes(rows: pd.DataFrame, direction: str, metric: Metric) -> str:
    means = by_radius(rows, direction, metric.name).dropna()
    if means.empty:
        return f"{direction}: {metric.label} undefined"
    return f"{direction}: {metric.label} from {percent(means.min())} to {percent(means.max())} %"
