"""At which radius the predictions of right and of wrong answers give way."""

import math
from collections.abc import Iterator

import numpy as np
from matplotlib.ticker import FuncFormatter, PercentFormatter

from ccps.analysis.sweep_choices import flips_of
from ccps.analysis.sweep_data import Place, SweepData
from ccps.core.text import percent, slug
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import INK, new_figure, title_left
from ccps.report.sweep.job import SWEEP

_BINS = 24
_KINDS = {True: ("right", "#0072B2"), False: ("wrong", "#8a929a")}


def flips_section(data: SweepData) -> Section:
    """What the figures show."""
    return Section("flips", "Where predictions give way")


@SWEEP.figure("flips")
def flip_figures(data: SweepData) -> Iterator[Picture]:
    """One figure per place."""
    return (_flips(data, place) for place in data.places)


def _flips(data: SweepData, place: Place) -> Picture:
    found = flips_of(data, place)
    finite = np.concatenate([one.finite for one in found])
    low, high = (finite.min(), finite.max()) if len(finite) else (1.0, 10.0)
    edges = np.geomspace(low, max(high, 1.001 * low), _BINS + 1)
    figure = new_figure(6.4, 3.2)
    axes = figure.subplots()
    words, lines = [], []
    for one in found:
        kind, colour = _KINDS[one.correct]
        if not one.n:
            words.append(f"no {kind} answers")
            continue
        within = np.clip(one.finite, edges[0], edges[-1])
        axes.stairs(np.histogram(within, edges)[0] / one.n, edges, fill=True, alpha=0.45, color=colour, label=kind)
        middle = "never" if math.isinf(one.median) else f"{one.median:.3g}"
        words.append(f"{one.n:,} {kind} answers, median {middle}, {one.never:,} never, {one.already:,} at radius 0")
        if math.isfinite(one.median) and one.median > 0:
            axes.axvline(one.median, color=colour, linewidth=1.4)
        lines.append(f"{kind}: median {middle}, never {percent(one.never / one.n)} %")
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
    return picture(figure, place.heading, f"flips-{slug(*place)}", caption, alt)
