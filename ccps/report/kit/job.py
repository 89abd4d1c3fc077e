"""The report of one kind of job: its sections in order, its figures, and both pages made of them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Generic, NamedTuple, TypeVar

import matplotlib
from markupsafe import Markup

from ccps.report.kit.escape import markdown_escape
from ccps.report.kit.figure import Figure, Gap, Picture
from ccps.report.kit.files import write_bytes, write_text
from ccps.report.kit.section import Section, facts
from ccps.report.kit.style import STYLE
from ccps.report.kit.templates import ROOM, render

Data = TypeVar("Data")
Make = Callable[[Data], Section | None]
Draw = Callable[[Data], Iterable[Picture | Gap]]


class PageHead(NamedTuple):
    """What stands above the sections."""

    title: str
    conclusion: str
    question: str
    facts: Mapping[str, str]


class Pages(NamedTuple):
    """A report as one HTML page that needs nothing but itself, as one of Markdown, and its pictures."""

    html: str
    markdown: str
    pictures: Sequence[Picture]


@dataclass
class ReportJob(Generic[Data]):
    """A kind of report.

    Attributes:
        package: name of the package whose modules register its figures, and sections of their own.
        sections: what makes each section from the data, in order; None where there is nothing to say.
        figures: what is drawn; each stands in its section in this order.
        opens: anchors of the sections that a reader sees at first, all others being folded; None folds only those that
            fold themselves.
    """

    package: str = ""
    sections: list[Make[Data]] = field(default_factory=list)
    figures: list[Figure[Data]] = field(default_factory=list)
    opens: Collection[str] | None = None

    def figure(self, section: str) -> Callable[[Draw[Data]], Draw[Data]]:
        """Register what draws a figure of a section."""

        def register(draw: Draw[Data]) -> Draw[Data]:
            self.figures.append(Figure(section, draw))
            return draw

        return register

    def section(self, after: Make[Data] | None = None) -> Callable[[Make[Data]], Make[Data]]:
        """Register what makes a section, after another one or at the end."""
        self._load()

        def register(make: Make[Data]) -> Make[Data]:
            place = len(self.sections) if after is None else self.sections.index(after) + 1
            self.sections.insert(place, make)
            return make

        return register

    def parts(self, data: Data) -> dict[str, Section]:
        """The sections that have something to say, by anchor."""
        self._load()
        made = (make(data) for make in self.sections)
        return {part.anchor: part for part in made if part is not None}

    def pages(self, data: Data, head: PageHead, *, in_full: bool = True) -> Pages:
        """Draw all figures and lay out both pages.

        Args:
            data: what to show.
            head: what stands above the sections.
            in_full: whether the pages show the extra figures too.

        Raises:
            ValueError: two figures have one file name, or one belongs to a section that is not there.
        """
        sections, drawn = self.parts(data), self._drawn(data)
        homeless = sorted({*drawn} - {*sections})
        if homeless:
            raise ValueError(
                f"Expected every figure to stand in a section of the report ({', '.join(sections)}), "
                f"but got some of {homeless}. Register the section, or name another."
            )
        pictures = {name: [one for one in drawn.get(name, ()) if isinstance(one, Picture)] for name in sections}
        shown = {name: [one for one in own if in_full or not one.extra] for name, own in pictures.items()}
        for name, found in drawn.items():
            why = [one.why for one in found if isinstance(one, Gap)]
            sections[name] = replace(sections[name], notes=[*sections[name].notes, *why])
        left_out = {name: len(own) - len(shown[name]) for name, own in pictures.items() if len(own) > len(shown[name])}
        if left_out:
            first = next(iter(left_out))
            sections[first] = replace(
                sections[first], words=[*sections[first].words, _left_out(sum(left_out.values()))]
            )
        if self.opens is not None:
            sections = {
                name: replace(part, folded="" if name in self.opens else part.folded or _contents(part, shown[name]))
                for name, part in sections.items()
            }
        everything = [one for own in pictures.values() for one in own]
        n_before_links = 0 if self.opens is None else sum(not part.folded for part in sections.values())
        return Pages(_page(head, sections, shown, n_before_links), _markdown(head, sections, shown), everything)

    def _load(self) -> None:
        """Import every module of the package, so that a new one need not be listed."""
        if self.package:
            for module in iter_modules(import_module(self.package).__path__):
                import_module(f"{self.package}.{module.name}")

    def _drawn(self, data: Data) -> dict[str, list[Picture | Gap]]:
        """All figures by section."""
        drawn: dict[str, list[Picture | Gap]] = {}
        with matplotlib.rc_context(STYLE):
            for figure in self.figures:
                for one in figure.draw(data):
                    drawn.setdefault(figure.section, []).append(one)
        names = [one.name for found in drawn.values() for one in found if isinstance(one, Picture)]
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(
                f"Expected figures to have different file names, but got {twice}. Rename a method or model."
            )
        return drawn


def _contents(section: Section, pictures: Sequence[Picture]) -> str:
    """What is in a section that does not say so itself: "2 tables, 1 figure"."""
    counts = (("table", len(section.tables)), ("figure", len(pictures)))
    return ", ".join(f"{n} {what}{'s' if n > 1 else ''}" for what, n in counts if n) or "in words"


def _left_out(n: int) -> str:
    if n == 1:
        return "1 figure of the other methods is not on this page; it lies in the folder figures/."
    return f"{n} figures of the other methods, here and below, are not on this page; they lie in the folder figures/."


def _page(
    head: PageHead, sections: Mapping[str, Section], shown: Mapping[str, Sequence[Picture]], n_before_links: int
) -> str:
    css, script = (Markup((ROOM / "kit" / name).read_text(encoding="utf-8")) for name in ("style.css", "page.js"))
    page = render(
        "kit/page.html.j2",
        head=head,
        css=css,
        script=script,
        facts=facts,
        sections=sections,
        parts=[part.html(shown[anchor]) for anchor, part in sections.items()],
        # Links stand above what is folded: a click opens it.
        n_before_links=n_before_links,
    )
    return f"{page}\n"


def _markdown(head: PageHead, sections: Mapping[str, Section], shown: Mapping[str, Sequence[Picture]]) -> str:
    parts = [
        f"# {markdown_escape(head.title)}",
        f"**{markdown_escape(head.conclusion)}**",
        markdown_escape(head.question),
        facts(head.facts).markdown,
        *(part.markdown(shown[anchor]) for anchor, part in sections.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_pages(pages: Pages, folder: Path) -> list[Path]:
    """Write figures/, report.html and report.md."""
    return [
        *(write_bytes(folder / "figures" / image.name, image.png) for image in pages.pictures),
        write_text(folder / "report.html", pages.html),
        write_text(folder / "report.md", pages.markdown),
    ]
