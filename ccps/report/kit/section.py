"""A part of a report with a heading of its own, printed as HTML, as Markdown and, its tables, as LaTeX."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup, escape

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
        folded: where not empty, everything below the heading is folded: these words stand beside it, and say what is
            in the section, its main figure included.
        folds_tables: whether all tables but the first are folded on the page.
        more: what comes last but for the parts.
        parts: sections within this one. A figure whose heading is the title of a part stands in that part.
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
    parts: Sequence["Section"] = ()

    def html(self, pictures: Sequence[Picture] = (), *, level: int = 2) -> Markup:
        """As HTML with its figures embedded, its heading of a level."""
        heading = Markup("<h{0}>{1}</h{0}>").format(level, self.title)
        section = Markup('<section id="{}">\n{}{}</section>\n')
        if not self.folded:
            return section.format(self.anchor, heading + Markup("\n"), self.body(pictures, level=level))
        # A browser that is sent to an anchor opens what it is folded in, so the anchor lies within.
        within = section.format(self.anchor, "", self.body(pictures, level=level))
        return Markup('<details class="part">\n<summary>{} <span>{}</span></summary>\n{}</details>\n').format(
            heading, self.folded, within
        )

    def body(self, pictures: Sequence[Picture] = (), *, level: int = 2) -> Markup:
        """What stands below the heading, as HTML."""
        own, of_parts = self._divided(pictures)
        groups: dict[str, list[Picture]] = {}
        for image in own:
            groups.setdefault(image.heading, []).append(image)
        tables = [table.html(self.title) for table in self.tables]
        if self.folds_tables:
            later = zip(self.tables[1:], tables[1:], strict=True)
            tables = [*tables[:1], *(fold(table.caption, html) for table, html in later)]
        parts = [part.html(of_parts[part.title], level=level + 1) for part in self.parts]
        return render("kit/section.html.j2", section=self, groups=groups, tables=tables, parts=parts)

    def markdown(self, pictures: Sequence[Picture] = (), *, heading: bool = True, level: int = 2) -> str:
        """As Markdown, with links to its figures; folded, where it is, only below a heading."""
        own, of_parts = self._divided(pictures)
        body = (
            *map(markdown_escape, self.words),
            bullets(self.points),
            *(f"![{markdown_escape(image.alt)}](figures/{image.name})" for image in own),
            *(table.markdown(level=level + 1) for table in self.tables),
            bullets(self.notes),
            self.more.markdown if self.more else "",
            *(part.markdown(of_parts[part.title], level=level + 1) for part in self.parts),
        )
        text = "\n\n".join(part for part in body if part)
        if not heading:
            return text
        if self.folded:
            text = f"<details><summary>{escape(' '.join(self.folded.split()))}</summary>\n\n{text}\n\n</details>"
        return "\n\n".join(part for part in (f"{'#' * level} {markdown_escape(self.title)}", text) if part)

    def _divided(self, pictures: Sequence[Picture]) -> tuple[list[Picture], dict[str, list[Picture]]]:
        """The figures of the section itself, and those of each part by its title."""
        of_parts = {part.title: [image for image in pictures if image.heading == part.title] for part in self.parts}
        return [image for image in pictures if image.heading not in of_parts], of_parts

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
    return Block(render("kit/terms.html.j2", entries=entries), _named(entries))


def facts(entries: Mapping[str, str]) -> Block:
    """Names with a value each, line by line."""
    return Block(render("kit/facts.html.j2", entries=entries), _named(entries))


def _named(entries: Mapping[str, str]) -> str:
    return "\n".join(f"- **{markdown_escape(name)}**: {markdown_escape(text)}" for name, text in entries.items())
