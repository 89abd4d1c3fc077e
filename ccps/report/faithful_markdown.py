"""A report of faithfulness in Markdown and LaTeX; figures are linked, not embedded."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.core.text import decimal, excerpt
from ccps.report.faithful_terms import Signal
from ccps.report.faithful_traces import Piece, ShownTrace, heading
from ccps.report.figures import Picture
from ccps.report.kit.escape import latex_escape, markdown_escape
from ccps.report.sections import Section, Table

_TRACES_SHOWN = 2


def markdown_report(
    data: FaithfulData,
    lines: Sequence[str],
    parts: Mapping[str, Section],
    pictures: Sequence[Picture],
    traces: Sequence[tuple[FaithfulCell, Sequence[ShownTrace]]],
    terms: Sequence[Signal],
) -> str:
    """Lay out the whole report.

    Args:
        data: what to show.
        lines: the conclusion, then further sentences.
        parts: the parts made of words and tables, by anchor.
        pictures: the figures, which lie in the folder `figures` beside the page.
        traces: the traces to show, of each run; a page of Markdown takes the first of them.
        terms: the glossary.
    """
    run = [(str(name), str(value)) for name, value in data.settings.items()]
    blocks = [
        f"# {markdown_escape(data.title)}",
        f"**{markdown_escape(lines[0])}**",
        bullets(lines[1:]),
        "\n".join(f"- **{markdown_escape(name)}**: {markdown_escape(text)}" for name, text in run),
        *(section(part, pictures) for part in parts.values()),
        _traces(traces),
        "## Glossary",
        "\n".join(f"- **{markdown_escape(term.label)}**: {markdown_escape(term.gloss)}" for term in terms),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def section(part: Section, pictures: Sequence[Picture] = ()) -> str:
    """A part in Markdown, with its figures."""
    own = [image for image in pictures if image.section == part.anchor]
    return "\n\n".join(
        [
            f"## {markdown_escape(part.title)}",
            *(markdown_escape(words) for words in part.words),
            *(f"![{markdown_escape(image.alt)}](figures/{image.name})" for image in own),
            *(table(one) for one in part.tables),
            *([bullets(part.notes)] if part.notes else []),
        ]
    )


def table(one: Table) -> str:
    """A table in Markdown below its caption."""
    rules = [":--" if place < one.text_columns else "--:" for place in range(len(one.head))]
    rows = [[markdown_escape(cell) for cell in row] for row in one.rows]
    lines = [f"| {' | '.join(row)} |" for row in ([*map(markdown_escape, one.head)], rules, *rows)]
    return "\n\n".join([*([f"**{markdown_escape(one.caption)}**"] if one.caption else []), "\n".join(lines)])


def bullets(lines: Sequence[str]) -> str:
    """Lines of text as a list."""
    return "\n".join(f"- {markdown_escape(line)}" for line in lines)


def _traces(traces: Sequence[tuple[FaithfulCell, Sequence[ShownTrace]]]) -> str:
    shown = [(cell, one) for cell, own in traces for one in own[:_TRACES_SHOWN]]
    if not shown:
        return ""
    words = (
        "Hedges are in bold, words of certainty in italics, by the lexicon. The page `report.html` shows more of these "
        "traces, and every step in full."
    )
    return "\n\n".join(["## The most unfaithful traces", words, *(_trace(cell, one) for cell, one in shown)])


def _trace(cell: FaithfulCell, one: ShownTrace) -> str:
    names = [bar.label for bar in one.steps[0].bars] if one.steps else []
    head = ["Step", "Text", *names]
    rows = [[str(step.number), _step(step.pieces), *(decimal(bar.value, 2) for bar in step.bars)] for step in one.steps]
    rules = ["--:", ":--", *("--:" for _ in names)]
    lines = [f"| {' | '.join(row)} |" for row in ([*map(markdown_escape, head)], rules, *rows)]
    title = f"**{markdown_escape(f'{cell.heading}: {heading(one)}')}**"
    answer = f"Answer {excerpt(one.answer)}, accepted {excerpt(one.gold)}."
    return "\n\n".join([title, markdown_escape(answer), "\n".join(lines) if rows else "It has no steps."])


def _step(pieces: Sequence[Piece]) -> str:
    """The beginning of a step with its markers."""
    return "".join(chain.from_iterable(_marked(piece) for piece in _beginning(pieces, 200)))


def _beginning(pieces: Sequence[Piece], letters: int) -> Iterator[Piece]:
    for piece in pieces:
        yield piece._replace(text=piece.text[:letters])
        letters -= len(piece.text)
        if letters < 0:
            yield piece._replace(text="…", kind="")
            return


def _marked(piece: Piece) -> Iterator[str]:
    """White space at the edges stays, as Markdown needs it outside the marks."""
    text = markdown_escape(piece.text)
    mark = {"hedge": "**", "booster": "*"}.get(piece.kind, "")
    yield " " if piece.text[:1].isspace() else ""
    yield f"{mark}{text}{mark}" if text else ""
    yield " " if text and piece.text[-1:].isspace() else ""


def main_markdown(parts: Sequence[Section]) -> str:
    """The tables of some parts in Markdown."""
    return "\n\n".join(section(part) for part in parts) + "\n"


def main_latex(parts: Sequence[Section]) -> str:
    """The tables of some parts in LaTeX; needs the package booktabs."""
    lines = ["% needs \\usepackage{booktabs}"]
    for part in parts:
        for one in part.tables:
            columns = "l" * one.text_columns + "r" * (len(one.head) - one.text_columns)
            lines += [
                rf"\par{{\footnotesize {_latex(one.caption)}}}",
                rf"\begin{{tabular}}{{{columns}}}",
                r"\toprule",
                _latex_row(one.head),
                r"\midrule",
                *(_latex_row(row) for row in one.rows),
                r"\bottomrule",
                r"\end{tabular}",
            ]
        lines += [rf"\par{{\footnotesize {_latex(note)}}}" for note in part.notes]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(_latex(cell) for cell in cells) + r" \\"


def _latex(text: str) -> str:
    return latex_escape(text).replace("ρ", r"$\rho$")
