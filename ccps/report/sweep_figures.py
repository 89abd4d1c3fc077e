"""Figures of a sweep: metrics against strength, heat maps, and the radii at which predictions give way."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter

from ccps.analysis.sweep_data import CHOSEN, Place, SweepData
from ccps.analysis.terms import BY_NAME, METRICS, Metric
from ccps.core.text import percent, slug
from ccps.report.figures import INK, SOFT, Picture, method_styles, new_figure, picture, title_left

_HEAT = ("auroc", "ece")
_BINS = 24
_WRONG = "#8a929a"


def curves(data: SweepData) -> list[Picture]:
    """All five metrics against the radius, one figure per place, one line per direction, at the paper's steps."""
    return [_curves(data, place) for place in data.places]


def _curves(data: SweepData, place: Place) -> Picture:
    rows = data.at(place)
    rows = rows[rows["steps"] == data.paper.steps]
    styles = method_styles(rows["direction"].drop_duplicates().tolist())
    figure = new_figure(10.2, 5.6)
    panels = figure.subplots(2, 3, sharex=True).flat
    for axes, metric in zip(panels, METRICS, strict=False):
        for direction, style in reversed(styles.items()):
            line = rows[(rows["direction"] == direction) & (rows["metric"] == metric.name)]
            means = line.groupby("radius")["value"].mean()
            axes.plot(means.index, means, color=style.colour, linestyle=style.dashes, marker=".", label=direction)
            if data.paper.radius in means.index:
                axes.plot(data.paper.radius, means[data.paper.radius], "o", mfc="white", mec=style.colour, ms=6)
        axes.axvline(data.paper.radius, color=SOFT, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set_xlabel("radius")
        axes.tick_params(labelbottom=True)
        title_left(axes, metric.label, "lower is better" if metric.lower_is_better else "higher is better")
    legend = figure.axes[len(METRICS)]
    legend.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    legend.legend(handles[::-1], labels[::-1], loc="center left", title="direction", alignment="left")
    caption = (
        f"{data.paper.steps} steps to each radius. Ringed, on the dotted line: {data.paper.words}. Means over seeds."
    )
    alt = f"Metrics against the radius on {place.heading}: " + "; ".join(
        _extremes(rows, direction, BY_NAME["auroc"]) for direction in styles
    )
    return picture(figure, "curves", place.heading, f"curves-{slug(*place)}", caption, f"{alt}.")


def _extremes(rows: pd.DataFrame, direction: str, metric: Metric) -> str:
    line = rows[(rows["direction"] == direction) & (rows["metric"] == metric.name)]
    means = line.groupby("radius")["value"].mean().dropna()
    if means.empty:
        return f"{direction}: {metric.label} undefined"
    return f"{direction}: {metric.label} from {percent(means.min())} to {percent(means.max())} %"


def heat_maps(data: SweepData) -> list[Picture]:
    """AUROC and ECE over radii and steps, one figure for each place and direction."""
    return [
        _heat_map(data, place, str(direction), rows)
        for place in data.places
        for direction, rows in data.at(place).groupby("direction", sort=False)
    ]


def _heat_map(data: SweepData, place: Place, direction: str, rows: pd.DataFrame) -> Picture:
    figure = new_figure(10.2, 2.9)
    words = []
    for axes, name in zip(figure.subplots(1, len(_HEAT)), _HEAT, strict=True):
        metric = BY_NAME[name]
        table = rows[rows["metric"] == name].pivot_table(index="steps", columns="radius", values="value", dropna=False)
        _draw_heat(axes, table, metric)
        values = table.to_numpy()
        if not np.isnan(values).all():
            best = np.nanmin(values) if metric.lower_is_better else np.nanmax(values)
            words.append(f"best {metric.label} {percent(float(best))} %")
    caption = f"{direction}. Squares: {data.paper.words}; stars: chosen on training folds. Dark is good in both."
    alt = f"Heat maps over radius and steps on {place.heading}, direction {direction}: {', '.join(words)}."
    chosen = _chosen(data, place, direction)
    if chosen is not None:
        for axes in figure.axes[: len(_HEAT)]:
            _mark(axes, rows, chosen, "*", 11)
    for axes in figure.axes[: len(_HEAT)]:
        _mark(axes, rows, (data.paper.radius, data.paper.steps), "s", 9)
    return picture(figure, "heat", place.heading, f"heat-{slug(*place, direction)}", caption, alt)


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


def _chosen(data: SweepData, place: Place, direction: str) -> tuple[float, int] | None:
    best = data.best
    here = best[(best["model"] == place.model) & (best["benchmark"] == place.benchmark)]
    here = here[(here["direction"] == direction) & (here["choice"] == CHOSEN)]
    return None if here.empty else (float(here["radius"].iloc[0]), int(here["steps"].iloc[0]))


def flips(data: SweepData) -> list[Picture]:
    """At which radius the predictions of right and of wrong answers give way."""
    return [_flips(data, place) for place in data.places]


def _flips(data: SweepData, place: Place) -> Picture:
    here = data.flips[(data.flips["model"] == place.model) & (data.flips["benchmark"] == place.benchmark)]
    finite = here[np.isfinite(here["flip_radius"]) & (here["flip_radius"] > 0)]["flip_radius"]
    figure = new_figure(6.4, 3.2)
    axes = figure.subplots()
    low, high = (finite.min(), finite.max()) if len(finite) else (1.0, 10.0)
    edges = np.geomspace(low, max(high, 1.001 * low), _BINS + 1)
    words, lines = [], []
    for kind, correct, colour in (("right", True, "#0072B2"), ("wrong", False, _WRONG)):
        radius = here.loc[here["correct"] == correct, "flip_radius"].to_numpy(float)
        if not len(radius):
            words.append(f"no {kind} answers")
            continue
        never, already = int(np.isinf(radius).sum()), int((radius == 0).sum())
        within = np.clip(radius[np.isfinite(radius) & (radius > 0)], edges[0], edges[-1])
        axes.stairs(
            np.histogram(within, edges)[0] / len(radius), edges, fill=True, alpha=0.45, color=colour, label=kind
        )
        median = float(np.median(radius))
        middle = "never" if math.isinf(median) else f"{median:.3g}"
        words.append(f"{len(radius):,} {kind} answers, median {middle}, {never:,} never, {already:,} at radius 0")
        if math.isfinite(median) and median > 0:
            axes.axvline(median, color=colour, linewidth=1.4)
        lines.append(f"{kind}: median {middle}, never {percent(never / len(radius))} %")
    axes.axvline(data.paper.radius, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set(xlabel="radius at which the first choice is overtaken", ylabel="share of answers")
    axes.legend()
    title_left(axes, "Flip radius", "; ".join(lines))
    caption = (
        "Exact radius along the gradient; of an answer of several tokens the smallest. Lines: medians; dotted: the "
        "paper's radius. Answers that never flip are in no bar, but in the shares."
    )
    alt = f"Flip radius on {place.heading}: {'; '.join(words)}."
    return picture(figure, "flips", place.heading, f"flips-{slug(*place)}", caption, alt)
