"""The headline score of each estimator beside its baselines."""

import math
from collections.abc import Iterator

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_scores import CONSTANT, DECISIVE, HEADLINE, RANDOM
from ccps.analysis.faithful_terms import label_of
from ccps.core.text import count, decimal, duration, level_words
from ccps.report.faithful.job import FAITHFUL, finish, gap, styles
from ccps.report.faithful.text import DASHES, baseline, caption, in_percent
from ccps.report.faithful.words import fraction
from ccps.report.kit.figure import Gap, Picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import SOFT, new_figure, title_left
from ccps.report.kit.table import Table

_SCORES = (
    "Estimator",
    *("cMFG*", "Best constant", "Excess", "Dealt at random", "Excess", "n", "Time for all"),
)
_BASELINES = ((CONSTANT, "D", "best constant"), (RANDOM, "x", "dealt at random"), (DECISIVE, "|", "always decisive"))


def scores_section(data: FaithfulData) -> Section:
    """A row per estimator."""
    tables = [
        Table(caption(data, cell), _SCORES, [_score_row(cell, name) for name in cell.estimators]) for cell in data.cells
    ]
    words = [
        "cMFG* says how faithful the words are over the confidences that occur. A constant can score high as well: "
        "what counts is the excess over wording that knows nothing."
    ]
    level = level_words(data.level)
    note = (
        f"Percent, excesses in points; in brackets {level} intervals, resampled by question. All rest on the n traces "
        f"that have both decisiveness and confidence. {DASHES}"
    )
    return Section("scores", "Do the words say what the model believes?", words, tables, [note])


def _score_row(cell: FaithfulCell, name: str) -> list[str]:
    score = cell.measured(name, HEADLINE)
    beside = [text for known in (CONSTANT, RANDOM) for text in baseline(cell, name, known)]
    return [
        label_of(name),
        in_percent(score),
        *beside,
        count(score.n),
        duration(cell.seconds.get(name, math.nan)),
    ]


@FAITHFUL.figure("scores")
def score_figures(data: FaithfulData) -> Iterator[Picture | Gap]:
    """One figure per run."""
    return map(_draw, data.cells)


def _draw(cell: FaithfulCell) -> Picture | Gap:
    names = [name for name in cell.estimators if cell.measured(name, HEADLINE).known]
    if not names:
        return gap(cell, "no estimator has a score")
    figure = new_figure(6.4, 1.35 + 0.42 * len(names))
    axes = figure.subplots()
    places = range(len(names))[::-1]
    words = []
    for place, name in zip(places, names, strict=True):
        score, colour = cell.measured(name, HEADLINE), styles(cell)[name].colour
        axes.plot([score.low, score.high], [place, place], color=colour, linewidth=1.6)
        axes.plot(score.value, place, "o", color=colour, markersize=7)
        beside = []
        for known, marker, label in _BASELINES:
            value = cell.measured(name, known).value
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
    return finish(cell, figure, "scores", caption, f"cMFG* on {cell.heading}: {'; '.join(words)}.")
