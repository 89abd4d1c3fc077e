"""A part of a report with a heading of its own, printed as HTML, as Markdown and, its tables, as LaTeX."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from ccps.report.kit.escape import markdown_escape
from ccps.report.kit.figure import Picture
from ccps.report.kit.table import Table, bullets, latex, latex_notes
from ccps.report.kit.templates import render


class Block(NamedTuple):
    """Something that is neither words nor a table, or that a page of Markdown shows in brief or not at all."""

    html: Markup
    markdown: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a report; its figures are those that are registered under its anchor.

    Attributes:
        anchor: name to link to, and that of its figures.
        title: heading.
        words: paragraphs.
        tables: below the words and the figures.
        notes: small print below the tables.
        points: a list below the words.
        link: what the navigation calls it; the title if empty.
        panels: whether its figures stand side by side.
        folded: where not empty, everything below the heading is folded on the page, under these words.
        folds_tables: whether all tables but the first are folded on the page.
        more: what comes last.
    """

    anchor: str
    title: str
    words: Sequence[str] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    points: Sequence[str] = ()
    link: str = ""
    panels: bool = False
    folded: str = ""
    folds_tables: bool = False
    more: Block | None = None

    def html(self, pictures: Sequence[Picture] = ()) -> Markup:
        """As HTML with its figures embedded."""
        return Markup('<section id="{}">\n<h2>{}</h2>\n{}</section>\n').format(
            self.anchor, self.title, fold(self.folded, self.body(pictures)) if self.folded else self.body(pictures)
        )

    def body(self, pictures: Sequence[Picture] = ()) -> Markup:
        """What stands below the heading, as HTML."""
        groups: dict[str, list[Picture]] = {}
        for image in pictures:
            groups.setdefault(image.heading, []).append(image)
        tables = [table.html(self.title) for table in self.tables]
        if self.folds_tables:
            later = zip(self.tables[1:], tables[1:], strict=True)
            tables = [*tables[:1], *(fold(table.caption, html) for table, html in later)]
        return render("kit/section.html.j2", section=self, groups=groups, tables=tables)

    def markdown(self, pictures: Sequence[Picture] = (), *, heading: bool = True) -> str:
        """As Markdown, with links to its figures."""
        parts = (
            *([f"## {markdown_escape(self.title)}"] if heading else []),
            *map(markdown_escape, self.words),
            bullets(self.points),
            *(f"![{markdown_escape(image.alt)}](figures/{image.name})" for image in pictures),
            *(table.markdown() for table in self.tables),
            bullets(self.notes),
            self.more.markdown if self.more else "",
        )
        return "\n\n".join(part for part in parts if part)

    def latex(self, *, joined: bool = False) -> str:
        """Its tables as LaTeX, with the notes below them.

        Args:
            joined: whether they have one head and are to be one table.
        """
        groups = [self.tables] if joined else [[table] for table in self.tables]
        return "\n".join([*(latex(group) for group in groups), *latex_notes(self.notes)])


def latex_file(sections: Iterable[Section], *, joined: bool = False) -> str:
    """The tables of some sections as a file of LaTeX."""
    return "\n".join(["% needs \\usepackage{booktabs}", *(part.latex(joined=joined) for part in sections)]) + "\n"


def fold(summary: str, body: Markup, *, is_open: bool = False) -> Markup:
    """Something that is hidden until a reader asks for it."""
    tag = Markup("<details open>") if is_open else Markup("<details>")
    return Markup("{}<summary>{}</summary>\n{}</details>\n").format(tag, summary, body)


def terms(entries: Mapping[str, str]) -> Block:
    """Words and what they mean."""
    lines = (f"- **{markdown_escape(name)}**: {markdown_escape(text)}" for name, text in entries.items())
    return Block(render("kit/terms.html.j2", entries=entries), "\n".join(lines))
