"""A figure: what draws it, the section it stands in, and the finished picture."""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from matplotlib.figure import Figure as Canvas

from ccps.report.kit.style import DPI, png_bytes

# A picture wider than this, in inches, wants the whole width of a page.
_BROAD = 6.0

Data = TypeVar("Data")


@dataclass(frozen=True)
class Picture:
    """A finished figure.

    Attributes:
        heading: the setting, the model or the run that it shows.
        name: file name.
        caption: shown below it.
        alt: says in words what is to be seen.
        png: the file.
        width: of the image, in pixels.
        height: of the image, in pixels.
        extra: left in the folder of figures when a report covers many settings.
    """

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

    @property
    def data_uri(self) -> str:
        """The file as an address that holds it."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


class Gap(NamedTuple):
    """A figure that could not be drawn, and why, in words for the notes of its section."""

    why: str


@dataclass(frozen=True)
class Figure(Generic[Data]):
    """A kind of figure.

    Attributes:
        section: anchor of the section that it stands in.
        draw: from the data of a report to the pictures; none where there is nothing to draw.
    """

    section: str
    draw: Callable[[Data], Iterable[Picture | Gap]]


def picture(canvas: Canvas, heading: str, name: str, caption: str, alt: str, *, extra: bool = False) -> Picture:
    """Finish a figure; the arguments are those of `Picture`, the name without its ending."""
    png, width, height = png_bytes(canvas)
    return Picture(heading, f"{name}.png", caption, alt, png, width, height, extra)
