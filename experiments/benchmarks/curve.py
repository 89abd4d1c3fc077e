"""The picture of cost against the number of questions."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from ccps.report.kit.style import INK, STYLE, new_figure, png_bytes, title_left
from experiments.benchmarks.scale import Curve, straight_line
from experiments.benchmarks.timing import spread

_COLOUR = "#0072B2"


def draw(curve: Curve, file: Path) -> Path:
    """Draw seconds and memory against the number of questions, and write the PNG file."""
    with matplotlib.rc_context(STYLE):
        figure = new_figure(6.8, 2.9)
        time, memory = figure.subplots(1, 2)
        _points(time, curve.questions, curve.seconds)
        line = straight_line(curve.questions, [spread(seconds).median for seconds in curve.seconds])
        ends = np.array([0, curve.questions[-1]])
        time.plot(ends, line.fixed + line.each * ends, color=INK, linewidth=0.8, zorder=1)
        title_left(time, "Time", "seconds, with a straight line")
        if all(curve.above):
            _points(memory, curve.questions, [[value / 2**20 for value in above] for above in curve.above])
        title_left(memory, "Peak memory above the model", "MiB")
        for axes in (time, memory):
            axes.set(xlabel="questions", xlim=(0, 1.05 * curve.questions[-1]), xticks=curve.questions)
            axes.set_ylim(bottom=0)
        png, _, _ = png_bytes(figure)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(png)
    return file


def _points(axes: Axes, counts: Sequence[int], values: Sequence[Sequence[float]]) -> None:
    """Medians, with a bar from the smallest to the largest of the repetitions."""
    spreads = [spread(each) for each in values]
    medians = [each.median for each in spreads]
    bars = [[each.median - each.low for each in spreads], [each.high - each.median for each in spreads]]
    axes.errorbar(counts, medians, bars, fmt="o", markersize=4, color=_COLOUR, elinewidth=1, capsize=3)
