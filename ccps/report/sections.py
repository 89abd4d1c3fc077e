"""Parts of a report as words and tables of text, laid out alike in HTML and Markdown."""

from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """A table of text, not escaped."""

    caption: str
    """What it is about; empty where the heading above says it all."""
    head: Sequence[str]
    """Titles of the columns."""
    rows: Sequence[Sequence[str]]
    """One text per column."""
    text_columns: int = 1
    """How many columns, from the left, hold words."""


class Section(NamedTuple):
    """A part of the report with a heading of its own."""

    anchor: str
    """Name to link to, and that of its figures."""
    title: str
    """Heading."""
    words: Sequence[str] = ()
    """Paragraphs above the tables."""
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    """Small print below the tables."""
