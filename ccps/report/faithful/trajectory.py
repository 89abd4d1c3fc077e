"""Courses along the trace: decisiveness, confidences and faithfulness, from the first step to the last."""

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_terms import label_of
from ccps.core.text import decimal
from ccps.report.faithful.job import FAITHFUL, finish, gap, styles
from ccps.report.faithful.text import caption
from ccps.report.kit.figure import Gap, Picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import INK, MethodStyle, new_figure, title_left

_DECISIVE_STYLE = MethodStyle(INK, "-")
_WORDS = (
    "What the words say, what the model believes, and how far the two agree, from the first step to the last. "
    "Bands are one standard error of the mean over traces."
)


def trajectory_section(data: FaithfulData) -> Section:
    """What the courses show."""
    notes = [" ".join(caption(data, cell) for cell in data.cells)]
    return Section("trajectory", "Along the trace", [_WORDS], notes=notes)


@FAITHFUL.figure("trajectory")
def trajectories(data: FaithfulData) -> Iterator[Picture | Gap]:
    """One figure per run."""
    return map(_draw, data.cells)


def _draw(cell: FaithfulCell) -> Picture | Gap:
    rows = cell.trajectory.dropna(subset=["position", "mean"])
    if rows.empty:
        return gap(cell, "no step has a score")
    figure = new_figure(8.6, 3.5)
    left, right = figure.subplots(1, 2, sharex=True)
    words = [_course(left, rows, "decisiveness", _DECISIVE_STYLE, label_of("decisiveness"))]
    for name in cell.estimators:
        style = styles(cell)[name]
        words.append(_course(left, rows, f"confidence_{name}", style, label_of(name)))
        words.append(_course(right, rows, f"faithfulness_{name}", style, "_"))
    for axes in (left, right):
        axes.set(xlim=(0, 1), xlabel="position in the trace")
        axes.set_xticks([0, 0.5, 1], ["first step", "middle", "last step"])
    figure.legend(loc="outside lower left", ncols=1 + len(cell.estimators))
    left.set_ylim(0, 1)
    title_left(left, "Decisiveness and confidence", cell.heading)
    title_left(right, "Faithfulness", "1 − |decisiveness − confidence|")
    text = "Means over traces, with one standard error."
    alt = f"Courses along the trace on {cell.heading}: {'; '.join(word for word in words if word)}."
    return finish(cell, figure, "trajectory", text, alt)


def _course(axes: Axes, rows: pd.DataFrame, score: str, style: MethodStyle, label: str) -> str:
    """Draw the course of a score; where it begins and ends, in words."""
    line = rows[rows["score"] == score].sort_values("position")
    if line.empty:
        return ""
    x, mean, se = (line[column].to_numpy(float) for column in ("position", "mean", "se"))
    axes.plot(x, mean, color=style.colour, linestyle=style.dashes, marker=".", label=label)
    axes.fill_between(x, mean - se, mean + se, color=style.colour, alpha=0.15, linewidth=0)
    return f"{label_of(score)} from {decimal(mean[0], 2)} to {decimal(mean[-1], 2)}"
