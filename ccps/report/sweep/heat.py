"""AUROC and ECE over radii and steps."""

import math
from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from ccps.analysis.sweep_choices import best_value, chosen_strength, grid_means
from ccps.analysis.sweep_data import Place, SweepData
from ccps.core.text import percent, slug
from ccps.metrics import METRICS, Metric
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import new_figure, title_left
from ccps.report.sweep.job import SWEEP

_HEAT = ("auroc", "ece")


def heat_section(data: SweepData) -> Section:
    """What the heat maps show."""
    return Section("heat", "Radius and steps")


@SWEEP.figure("heat")
def heat_maps(data: SweepData) -> Iterator[Picture]:
    """One figure for each place and direction."""
    for place in data.places:
        for direction, rows in data.at(place).groupby("direction", sort=False):
            yield _heat_map(data, place, str(direction), rows)


def _heat_map(data: SweepData, place: Place, direction: str, rows: pd.DataFrame) -> Picture:
    figure = new_figure(10.2, 2.9)
    words = []
    for axes, name in zip(figure.subplots(1, len(_HEAT)), _HEAT, strict=True):
        metric = METRICS[name]
        _draw_heat(axes, grid_means(rows, name), metric)
        best = best_value(rows, name)
        if not math.isnan(best):
            words.append(f"best {metric.label} {percent(best)} %")
    caption = f"{direction}. Squares: {data.paper.words}; stars: chosen on training folds. Dark is good in both."
    alt = f"Heat maps over radius and steps on {place.heading}, direction {direction}: {', '.join(words)}."
    chosen = chosen_strength(data, place, direction)
    if chosen is not None:
        for axes in figure.axes[: len(_HEAT)]:
            _mark(axes, rows, chosen, "*", 11)
    for axes in figure.axes[: len(_HEAT)]:
        _mark(axes, rows, (data.paper.radius, data.paper.steps), "s", 9)
    return picture(figure, place.heading, f"heat-{slug(*place, direction)}", caption, alt)


def _draw_heat(axes: Axes, table: pd.DataFrame, metric: Metric) -> None:
    colours = "Blues_r" if metric.lower_is_better else "Blues"
    image = axes.imshow(table.to_numpy(), origin="lower", aspect="auto", cmap=colours)
    axes.set_xticks(range(len(table.columns)), [f"{radius:g}" for radius in table.columns], rotation=90)
    axes.set_yticks(range(len(table.index)), [f"{steps:g}" for steps in table.index])
    axes.set(xlabel="radius", ylabel="steps")
    axes.grid(visible=False)
    bar = axes.figure.colorbar(image, ax=axes, format=PercentFormatter(1, symbol=" %"))
    bar.outline.set_visible(False)
    title_left(axes, metric.label)


def _mark(axes: Axes, rows: pd.DataFrame, point: tuple[float, int], marker: str, size: float) -> None:
    radii, steps = sorted(rows["radius"].unique()), sorted(rows["steps"].unique())
    if point[0] in radii and point[1] in steps:
        place = radii.index(point[0]), steps.index(point[1])
        axes.plot(*place, marker, ms=size, mfc="none", mec="#D55E00", mew=1.5)
