"""A table, printed as HTML, as Markdown and as LaTeX."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from ccps.report.kit.escape import latex_escape, markdown_escape
from ccps.report.kit.templates import render


@dataclass(frozen=True)
class Cell:
    """A cell of more than plain text; nothing is escaped."""

    text: str
    below: str = ""
    """Small print that belongs to it, such as an interval; on a line of its own where there is room."""
    mark: str = ""
    """A sign that stands before it."""
    word: str = ""
    """What the sign means; on the page only, as elsewhere a legend has to do."""
    kind: str = ""
    """Class of style on the page."""
    bold: bool = False
    markdown: str = ""
    """What Markdown shows instead, escaped already."""


@dataclass(frozen=True)
class Row:
    """A row of a kind of its own."""

    cells: Sequence[str | Cell]
    kind: str = ""
    """`group` (a heading over the rows below it, one cell), `spread` (small print to the row above it), or a class of
    style on the page."""

    @property
    def is_group(self) -> bool:
        """Whether it is a heading within the table."""
        return self.kind == "group"

    @property
    def is_spread(self) -> bool:
        """Whether it belongs to the row above it."""
        return "spread" in self.kind.split()


@dataclass(frozen=True)
class Table:
    """A table of text, not escaped.

    Attributes:
        caption: what it is about; empty where the heading above says it all.
        head: titles of the columns.
        rows: plain sequences of cells, or `Row`s.
        align: `l` or `r` for each column from the left; those that are not named are numbers, `r`.
        notes: small print below it.
        empty: what is said instead where there is no row.
    """

    caption: str
    head: Sequence[str | Cell]
    rows: Sequence[Sequence[str | Cell] | Row]
    align: str = "l"
    notes: Sequence[str] = ()
    empty: str = "None."

    @property
    def alignment(self) -> str:
        """A letter for every column."""
        return self.align.ljust(len(self.head), "r")

    @property
    def columns(self) -> list[Cell]:
        """The titles as cells."""
        return [_cell(cell) for cell in self.head]

    @property
    def lines(self) -> list[Row]:
        """The rows, all of one type."""
        rows = [row if isinstance(row, Row) else Row(row) for row in self.rows]
        return [replace(row, cells=[_cell(cell) for cell in row.cells]) for row in rows]

    def html(self, label: str) -> Markup:
        """As HTML, in a frame that scrolls.

        Args:
            label: what a reader of the screen calls it.
        """
        return render("kit/table.html.j2", table=self, label=": ".join(part for part in (label, self.caption) if part))

    def markdown(self, *, level: int = 3) -> str:
        """As Markdown, below its caption as a heading of a level."""
        return "\n\n".join(
            [
                *([f"{'#' * level} {markdown_escape(self.caption)}"] if self.caption else []),
                self._markdown_grid() if self.rows else markdown_escape(self.empty),
                *([bullets(self.notes)] if self.notes else []),
            ]
        )

    def _markdown_grid(self) -> str:
        rule = [{"l": ":--", "r": "--:"}[letter] for letter in self.alignment]
        rows = [[_markdown_cell(cell) for cell in self.columns], rule, *map(self._markdown_row, self.lines)]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _markdown_row(self, row: Row) -> list[str]:
        first, *others = (_markdown_cell(_cell(cell)) for cell in row.cells)
        if row.is_group or row.is_spread:
            first = f"*{first}*"
        return [first, *others, *("" for _ in range(len(self.head) - len(row.cells)))]


def bullets(lines: Iterable[str]) -> str:
    """Lines of text as a list in Markdown."""
    return "\n".join(f"- {markdown_escape(line)}" for line in lines)


def latex(tables: Sequence[Table]) -> str:
    """Tables of one head as one in LaTeX, each below its caption, with their notes; needs the package booktabs."""
    first = tables[0]
    lines = [
        rf"\begin{{tabular}}{{{first.alignment}}}",
        r"\toprule",
        _latex_row(_latex_cell(cell) for cell in first.columns),
    ]
    for table in tables:
        lines.append(r"\midrule")
        if table.caption:
            lines.append(_across(table, rf"\textit{{{latex_escape(table.caption)}}}"))
        for row in table.lines:
            lines += _latex_lines(table, row)
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *latex_notes(note for table in tables for note in table.notes)])


def latex_notes(notes: Iterable[str]) -> list[str]:
    """Small print in LaTeX, a paragraph each."""
    return [rf"\par{{\footnotesize {latex_escape(note)}}}" for note in notes]


def _cell(cell: str | Cell) -> Cell:
    return cell if isinstance(cell, Cell) else Cell(cell)


def _markdown_cell(cell: Cell) -> str:
    if cell.markdown:
        return cell.markdown
    text = markdown_escape(cell.text)
    parts = (markdown_escape(cell.mark), f"**{text}**" if cell.bold and text else text, markdown_escape(cell.below))
    return " ".join(part for part in parts if part)


def _latex_lines(table: Table, row: Row) -> list[str]:
    cells = [_cell(cell) for cell in row.cells]
    if row.is_group:
        return [r"\addlinespace", _across(table, rf"\scriptsize {latex_escape(cells[0].text)}")]
    if row.is_spread:
        small = [rf"{{\scriptsize {latex_escape(cell.text)}}}" if cell.text else "" for cell in cells]
        return [_latex_row([rf"\quad{small[0]}", *small[1:]])]
    return [_latex_row(_latex_cell(cell) for cell in cells)]


def _across(table: Table, text: str) -> str:
    return rf"\multicolumn{{{len(table.head)}}}{{l}}{{{text}}} \\"


def _latex_row(cells: Iterable[str]) -> str:
    text = " & ".join(cells).rstrip()
    # After the end of a row LaTeX takes a bracket or a star for an option of it.
    return ("{}" if text.startswith(("[", "*")) else "") + text + r" \\"


def _latex_cell(cell: Cell) -> str:
    text = latex_escape(cell.text)
    parts = (
        latex_escape(cell.mark),
        rf"\textbf{{{text}}}" if cell.bold and text else text,
        rf"{{\scriptsize {latex_escape(cell.below)}}}" if cell.below else "",
    )
    return " ".join(part for part in parts if part)
