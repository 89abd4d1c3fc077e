"""Whether the scores of traces agree with one another."""

from collections.abc import Iterator

import numpy as np

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_terms import label_of
from ccps.core.text import DASH, decimal
from ccps.report.faithful.job import FAITHFUL, finish, gap
from ccps.report.faithful.text import caption
from ccps.report.kit.figure import Gap, Picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import INK, new_figure, title_left

_CELL, _MARGIN = 0.62, 2.1
_WORDS = "Spearman’s ρ between the scores of traces: decisiveness, confidences (C) and faithfulness (F)."


def correlations_section(data: FaithfulData) -> Section:
    """What the matrices show."""
    notes = [" ".join(caption(data, cell) for cell in data.cells)]
    return Section("correlations", "Do the scores agree?", [_WORDS], notes=notes)


@FAITHFUL.figure("correlations")
def correlation_figures(data: FaithfulData) -> Iterator[Picture | Gap]:
    """One figure per run."""
    return map(_draw, data.cells)


def _draw(cell: FaithfulCell) -> Picture | Gap:
    rows = cell.correlations
    if rows["rho"].notna().sum() == 0:
        return gap(cell, "no two scores of traces vary over three traces or more")
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
    text = f"Over traces that have both scores.{missing}"
    return finish(cell, figure, "correlations", text, f"Spearman’s ρ on {cell.heading}: {'; '.join(pairs)}.")
