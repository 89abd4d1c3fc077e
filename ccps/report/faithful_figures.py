"""Figures of faithfulness: scores beside baselines, courses along the trace, words against confidence, correlations."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.core.text import DASH, decimal, slug
from ccps.report.faithful_terms import ESTIMATORS, label_of
from ccps.report.faithful_words import CONSTANT, DECISIVE, HEADLINE, RANDOM, fraction
from ccps.report.figures import INK, SOFT, MethodStyle, Picture, method_styles, new_figure, picture, title_left

_WORDS = MethodStyle(INK, "-")
_BASELINES = ((CONSTANT, "D", "best constant"), (RANDOM, "x", "dealt at random"), (DECISIVE, "|", "always decisive"))
_CELL, _MARGIN = 0.62, 2.1


class Drawn(NamedTuple):
    """The figures of a run."""

    pictures: list[Picture]
    gaps: list[tuple[str, str]]
    """Section and reason of every figure that could not be drawn."""


def draw(data: FaithfulData) -> Drawn:
    """All figures of every run, and why one is missing."""
    kinds: Sequence[tuple[str, Callable[[FaithfulCell], Picture | str]]] = (
        ("scores", _scores),
        ("trajectory", _trajectory),
        ("reliability", _reliability),
        ("correlations", _correlations),
    )
    drawn = Drawn([], [])
    for section, one in kinds:
        for cell in data.cells:
            found = one(cell)
            if isinstance(found, str):
                drawn.gaps.append((section, f"{cell.heading}: no figure: {found}."))
            else:
                drawn.pictures.append(found)
    return drawn


def _styles(cell: FaithfulCell) -> dict[str, MethodStyle]:
    """One style per estimator, the same in every run."""
    known = [signal.name for signal in ESTIMATORS]
    return method_styles([*known, *(name for name in cell.estimators if name not in known)])


def _finish(cell: FaithfulCell, figure: Figure, section: str, caption: str, alt: str) -> Picture:
    return picture(figure, section, cell.heading, f"{section}-{slug(*cell.names)}", caption, alt)


def _scores(cell: FaithfulCell) -> Picture | str:
    names = [name for name in cell.estimators if cell.measured(name, HEADLINE).known]
    if not names:
        return "no estimator has a score"
    figure = new_figure(6.4, 1.35 + 0.42 * len(names))
    axes = figure.subplots()
    places = range(len(names))[::-1]
    words = []
    for place, name in zip(places, names, strict=True):
        score, colour = cell.measured(name, HEADLINE), _styles(cell)[name].colour
        axes.plot([score.low, score.high], [place, place], color=colour, linewidth=1.6)
        axes.plot(score.value, place, "o", color=colour, markersize=7)
        beside = []
        for baseline, marker, label in _BASELINES:
            value = cell.measured(name, baseline).value
            axes.plot(
                value, place - 0.22, marker, color=SOFT, mfc="none", markersize=6, label=label if not place else "_"
            )
            beside.append(f"{label} {decimal(value, 3)}")
        words.append(f"{label_of(name)} {fraction(score)}, {', '.join(beside)}")
    axes.set_yticks(places, [label_of(name) for name in names])
    axes.set(xlabel="cMFG*", ylim=(-0.6, len(names) - 0.5))
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    title_left(axes, "Score beside its baselines", cell.heading)
    caption = "Dots: cMFG* with its interval. Below each: what wording that knows nothing would get."
    return _finish(cell, figure, "scores", caption, f"cMFG* on {cell.heading}: {'; '.join(words)}.")


def _trajectory(cell: FaithfulCell) -> Picture | str:
    rows = cell.trajectory.dropna(subset=["position", "mean"])
    if rows.empty:
        return "no step has a score"
    figure = new_figure(8.6, 3.5)
    left, right = figure.subplots(1, 2, sharex=True)
    words = [_course(left, rows, "decisiveness", _WORDS, label_of("decisiveness"))]
    for name in cell.estimators:
        style = _styles(cell)[name]
        words.append(_course(left, rows, f"confidence_{name}", style, label_of(name)))
        words.append(_course(right, rows, f"faithfulness_{name}", style, "_"))
    for axes in (left, right):
        axes.set(xlim=(0, 1), xlabel="position in the trace")
        axes.set_xticks([0, 0.5, 1], ["first step", "middle", "last step"])
    figure.legend(loc="outside lower left", ncols=1 + len(cell.estimators))
    left.set_ylim(0, 1)
    title_left(left, "Decisiveness and confidence", cell.heading)
    title_left(right, "Faithfulness", "1 − |decisiveness − confidence|")
    caption = "Means over traces, with one standard error."
    alt = f"Courses along the trace on {cell.heading}: {'; '.join(word for word in words if word)}."
    return _finish(cell, figure, "trajectory", caption, alt)


def _course(axes: Axes, rows: pd.DataFrame, score: str, style: MethodStyle, label: str) -> str:
    """Draw the course of a score; where it begins and ends, in words."""
    line = rows[rows["score"] == score].sort_values("position")
    if line.empty:
        return ""
    x, mean, se = (line[column].to_numpy(float) for column in ("position", "mean", "se"))
    axes.plot(x, mean, color=style.colour, linestyle=style.dashes, marker=".", label=label)
    axes.fill_between(x, mean - se, mean + se, color=style.colour, alpha=0.15, linewidth=0)
    return f"{label_of(score)} from {decimal(mean[0], 2)} to {decimal(mean[-1], 2)}"


def _reliability(cell: FaithfulCell) -> Picture | str:
    rows = cell.reliability.dropna(subset=["confidence", "decisiveness"])
    if rows.empty:
        return "no step has both decisiveness and a confidence"
    figure = new_figure(4.6, 4.2)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
    words = []
    for name, style in _styles(cell).items():
        line = rows[rows["estimator"] == name].sort_values("confidence")
        if line.empty:
            continue
        c, d = line["confidence"].to_numpy(float), line["decisiveness"].to_numpy(float)
        axes.plot(c, d, color=style.colour, linestyle=style.dashes, marker="o", markersize=4, label=label_of(name))
        pairs = ", ".join(f"{decimal(a, 2)} {decimal(b, 2)}" for a, b in zip(c, d, strict=True))
        words.append(f"{label_of(name)} (confidence, decisiveness): {pairs}")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="mean confidence of the steps in a bin", ylabel="mean decisiveness")
    axes.legend()
    title_left(axes, "Decisiveness against confidence", cell.heading)
    caption = "On the dashed line the words say what the model believes."
    return _finish(cell, figure, "reliability", caption, f"On {cell.heading}: {'; '.join(words)}.")


def _correlations(cell: FaithfulCell) -> Picture | str:
    rows = cell.correlations
    if rows["rho"].notna().sum() == 0:
        return "no two scores of traces vary over three traces or more"
    names = list(dict.fromkeys([*rows["first"], *rows["second"]]))
    matrix = rows.pivot(index="first", columns="second", values="rho").reindex(names)[names]
    values = matrix.to_numpy(float)
    size = _MARGIN + _CELL * len(names)
    figure = new_figure(size + 0.6, size)
    axes = figure.subplots()
    image = axes.imshow(values, cmap="RdBu", vmin=-1, vmax=1)
    labels = [label_of(name) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), labels)
    axes.grid(visible=False)
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        colour = "white" if abs(value) > 0.6 else INK
        axes.text(column, row, decimal(value, 2), ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, ax=axes, shrink=0.7, label="Spearman’s ρ").outline.set_visible(False)
    title_left(axes, "Do the scores agree?", cell.heading)
    pairs = [
        f"{labels[i]} and {labels[j]} {decimal(values[i, j], 2)}"
        for i, j in zip(*np.triu_indices(len(names), 1), strict=True)
    ]
    missing = f" A dash ({DASH}) stands where ρ is undefined." if np.isnan(values).any() else ""
    caption = f"Over traces that have both scores.{missing}"
    return _finish(cell, figure, "correlations", caption, f"Spearman’s ρ on {cell.heading}: {'; '.join(pairs)}.")
