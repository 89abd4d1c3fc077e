"""Decisiveness against confidence, over bins of steps."""

from collections.abc import Iterator

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_terms import label_of
from ccps.core.text import decimal
from ccps.report.faithful.job import FAITHFUL, finish, gap, styles
from ccps.report.faithful.text import caption
from ccps.report.kit.figure import Gap, Picture
from ccps.report.kit.section import Section
from ccps.report.kit.style import SOFT, new_figure, title_left

_WORDS = (
    "Steps in bins of equally many by confidence: mean decisiveness against mean confidence. On the diagonal the "
    "words say what the model believes; above it they are surer than the model."
)


def reliability_section(data: FaithfulData) -> Section:
    """What the figures show."""
    notes = [" ".join(caption(data, cell) for cell in data.cells)]
    return Section("reliability", "Decisiveness against confidence", [_WORDS], notes=notes)


@FAITHFUL.figure("reliability")
def reliability_figures(data: FaithfulData) -> Iterator[Picture | Gap]:
    """One figure per run."""
    return map(_draw, data.cells)


def _draw(cell: FaithfulCell) -> Picture | Gap:
    rows = cell.reliability.dropna(subset=["confidence", "decisiveness"])
    if rows.empty:
        return gap(cell, "no step has both decisiveness and a confidence")
    figure = new_figure(4.6, 4.2)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
    words = []
    for name, style in styles(cell).items():
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
    text = "On the dashed line the words say what the model believes."
    return finish(cell, figure, "reliability", text, f"On {cell.heading}: {'; '.join(words)}.")
