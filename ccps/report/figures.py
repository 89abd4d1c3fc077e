"""How every figure looks and becomes a file: one style, one colour per method, the same bytes each time."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting

DPI = 150
PANEL_SIZE = (3.4, 3.7)
WIDE = 4.8
_BROAD = 6.0
# A page with all panels of more settings than this grows beyond what is comfortable to open or send.
_SETTINGS_IN_FULL = 3
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
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1, 1.5)))


class MethodStyle(NamedTuple):
    """How a method is drawn, the same in all figures."""

    colour: str
    dashes: Any


@dataclass(frozen=True)
class Picture:
    """A finished figure.

    Attributes:
        section: part of the report it belongs to.
        heading: the setting, or the model, that it shows.
        name: file name.
        caption: shown below it.
        alt: says in words what is to be seen.
        png: the file.
        width: of the image, in pixels.
        height: of the image, in pixels.
        extra: left in the folder of figures when a report covers many settings.
    """

    section: str
    heading: str
    name: str
    caption: str
    alt: str
    png: bytes
    width: int
    height: int
    extra: bool = False

    @property
    def broad(self) -> bool:
        """Whether it wants the whole width of a page."""
        return self.width > DPI * _BROAD


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
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, metadata={"Software": None})
    image = Image.open(drawn).convert("RGB")
    reduced = image.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    reduced.save(buffer, "PNG", optimize=True, dpi=(DPI, DPI))
    return buffer.getvalue(), *image.size


def picture(
    figure: Figure, section: str, heading: str, name: str, caption: str, alt: str, extra: bool = False
) -> Picture:
    """Finish a figure; the arguments are those of `Picture`."""
    png, width, height = png_bytes(figure)
    return Picture(section, heading, f"{name}.png", caption, alt, png, width, height, extra)


def heading_of(setting: Setting) -> str:
    """A setting as a heading."""
    return f"{setting.model} · {setting.benchmark}"


def main_methods(data: ReportData, setting: Setting) -> tuple[str, ...]:
    """The methods drawn in full: the reference, the own probability, and the rival with the lowest Brier score."""
    here = (data.results["model"] == setting.model) & (data.results["benchmark"] == setting.benchmark)
    brier = data.results[here & (data.results["metric"] == "brier")].groupby("method")["value"].mean().dropna()
    rivals = [method for method in data.rivals if method in brier and method != data.own_method]
    strongest = min(rivals, key=lambda method: brier[method]) if rivals else None
    wanted = (data.reference, data.own_method, strongest)
    return tuple(method for method in data.methods if method in wanted)


def of_page(pictures: Sequence[Picture], n_settings: int) -> list[Picture]:
    """The figures that a page shows: without the extra ones where it covers many settings."""
    return [image for image in pictures if n_settings <= _SETTINGS_IN_FULL or not image.extra]


def first_seed(scores: pd.DataFrame, setting: Setting, method: str) -> pd.DataFrame:
    """The scores of one method in one setting, of its lowest seed where there are several."""
    rows = scores[
        (scores["model"] == setting.model) & (scores["benchmark"] == setting.benchmark) & (scores["method"] == method)
    ]
    seeds = rows["seed"].dropna()
    return rows if seeds.empty else rows[rows["seed"] == seeds.min()]


def seed_words(rows: pd.DataFrame) -> str:
    """Which seed is drawn and how many answers had no score, or nothing when neither needs saying."""
    seeds, missing = rows["seed"].dropna().unique(), int(rows["p_correct"].isna().sum())
    parts = [
        f"Seed {seeds[0]:g}." if len(seeds) else "",
        f"{missing:,} without a score left out." if missing else "",
    ]
    return " ".join(part for part in parts if part)
