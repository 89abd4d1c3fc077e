"""How every figure looks: one style, one colour per method, the same bytes each time."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

DPI = 150
PANEL_SIZE = (3.4, 3.7)
WIDE = 4.8
INK, SOFT, GRID = "#1d2329", "#5a636d", "#e3e7eb"

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "text.parse_math": False,
}

# Okabe and Ito's palette, told apart with every common colour blindness; its yellow is too pale on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#444B53")
REFERENCE_COLOUR = _COLOURS[0]
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1, 1.5)))


class MethodStyle(NamedTuple):
    """How a method is drawn, the same in all figures."""

    colour: str
    dashes: Any


def method_styles(methods: Sequence[str]) -> dict[str, MethodStyle]:
    """Colour and dashes of each method, by its place; the first is the solid blue of the reference."""
    return {
        method: MethodStyle(_COLOURS[place % len(_COLOURS)], _DASHES[place % len(_DASHES)])
        for place, method in enumerate(methods)
    }


def new_figure(width: float, height: float, *, arranged: bool = True) -> Figure:
    """An empty figure (inches) that belongs to no global state; unless `arranged`, its margins are to be set."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained" if arranged else None, facecolor="white")


def title_left(axes: Axes, title: str, below: str = "") -> None:
    """A bold title at the left edge, with a plain second line."""
    axes.set_title(f"{below}\n" if below else "", loc="left", fontsize=8, color=SOFT, linespacing=0.3)
    axes.annotate(
        title,
        (0, 1),
        xytext=(0, 18 if below else 6),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=10,
        fontweight="bold",
    )


def png_bytes(figure: Figure) -> tuple[bytes, int, int]:
    """The figure as PNG of at most 128 colours, with no metadata but its resolution; width and height."""
    canvas, buffer = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()  # once, where `savefig` draws once for the layout and once more
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    reduced = image.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    # Level 9 takes three times as long for two per cent less.
    reduced.save(buffer, "PNG", compress_level=8, dpi=(DPI, DPI))
    return buffer.getvalue(), *image.size
