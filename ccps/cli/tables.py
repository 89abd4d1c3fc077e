"""Answers as people read them in a terminal."""

import time
from collections.abc import Iterator, Sequence

from ccps.core.text import count

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Rows below their head, each column as wide as its widest cell.

    Args:
        head: names of the columns.
        rows: cells.
        right: numbers of the columns that are set to the right.
    """
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]
    for row in (head, *rows):
        cells = (
            f"{cell:>{width}}" if index in right else f"{cell:<{width}}"
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def age(then: float, now: float | None = None) -> str:
    """How long ago a time was, in its largest unit: "3 days"."""
    seconds = (time.time() if now is None else now) - then
    for unit, size in _UNITS:
        if seconds >= size:
            return several(int(seconds // size), unit)
    return "a moment"


def several(number: int, what: str) -> str:
    """A count of things: "1 artifact", "1,200 artifacts"."""
    return f"{count(number)} {what}{'' if number == 1 else 's'}"
