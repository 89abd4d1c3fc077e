"""Panels of one method each.

The main methods have figures of their own; the others share one with small panels, so that a report of twenty methods
stays readable.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting
from ccps.analysis.shown import first_seed, main_methods
from ccps.core.text import slug
from ccps.report.kit.figure import Picture, picture
from ccps.report.kit.style import new_figure
from ccps.report.main.job import heading_of, seed_words

_COLUMNS = 3


class Panel(NamedTuple):
    """The scored rows of one method in one setting."""

    method: str
    rows: pd.DataFrame
    note: str


def pictures(
    data: ReportData,
    full: Callable[[ReportData, Setting, Panel], Picture],
    small: Callable[[ReportData, Setting, Sequence[Panel]], Picture],
) -> Iterator[Picture]:
    """For each setting a picture of each main method, and one with all others.

    Args:
        data: scores, and the methods in order.
        full: draws one method.
        small: draws several.
    """
    for setting in data.settings:
        main = main_methods(data, setting)
        for panel in _panels(data, setting, main):
            yield full(data, setting, panel)
        others = list(_panels(data, setting, [method for method in data.methods if method not in main]))
        if others:
            yield small(data, setting, others)


def _panels(data: ReportData, setting: Setting, methods: Sequence[str]) -> Iterator[Panel]:
    """What panels show; none where nothing is scored."""
    for method in methods:
        rows = first_seed(data.scores, setting, method)
        scored = rows.dropna(subset=["p_correct"])
        if not scored.empty:
            yield Panel(method, scored, seed_words(rows))


def finish(data: ReportData, canvas: Canvas, kind: str, setting: Setting, panel: Panel, alt: str) -> Picture:
    """The picture of one method; that of the strongest rival is an extra one."""
    extra = panel.method not in (data.reference, data.own_method)
    name = f"{kind}-{slug(*setting, panel.method)}"
    return picture(canvas, heading_of(setting), name, panel.note, alt, extra=extra)


def finish_small(canvas: Canvas, kind: str, setting: Setting, panels: Sequence[Panel], alt: str) -> Picture:
    """The picture of all other methods."""
    notes = " ".join(sorted({panel.note for panel in panels} - {""}))
    caption = f"The other methods. {notes}".strip()
    return picture(canvas, heading_of(setting), f"{kind}-{slug(*setting)}", caption, alt, extra=True)


def grid(n: int, *, share_y: bool) -> tuple[Canvas, list[Axes]]:
    """A figure with `n` small panels in rows, and their axes."""
    n_rows = math.ceil(n / _COLUMNS)
    width, height = 2.45 * _COLUMNS, 0.4 + 2.3 * n_rows
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
    axes_ = figure.subplots(n_rows, _COLUMNS, squeeze=False, sharex=True, sharey=share_y).ravel().tolist()
    for axes in axes_[:n]:
        axes.set_xticks([0, 0.5, 1])
    for axes in axes_[n:]:
        axes.remove()
    for axes in axes_[max(0, n - _COLUMNS) : n]:
        axes.tick_params(labelbottom=True)
    return figure, axes_[:n]
