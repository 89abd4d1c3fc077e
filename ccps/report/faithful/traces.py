"""The most unfaithful traces, each step with its markers and scores."""

import math
from collections.abc import Iterator, Sequence
from itertools import chain

from markupsafe import Markup

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_traces import Piece, ShownTrace, shown_traces, traces_per_cell
from ccps.core.text import decimal, excerpt
from ccps.report.kit.escape import markdown_escape
from ccps.report.kit.section import Block, Section
from ccps.report.kit.table import Cell, Table
from ccps.report.kit.templates import ROOM, render

_IN_MARKDOWN, _LETTERS = 2, 200
_TITLE = "The most unfaithful traces"
_WORDS = (
    "Hedges are in bold, words of certainty in italics, by the lexicon. The page `report.html` shows more of these "
    "traces, and every step in full."
)

_NOT_QUOTED = "They are somebody else’s texts and are not quoted here: the page `report.html` shows them."


def traces_section(data: FaithfulData) -> Section:
    """Some traces of each run: on the page with colours and bars, in Markdown fewer and the beginning of each step."""
    limit = traces_per_cell(data)
    traces = [(cell, shown_traces(data, cell, limit)) for cell in data.single]
    html = render(
        "faithful/traces.html.j2",
        traces=traces,
        limit=limit,
        heading=heading,
        score=_score,
        number=_number,
        shade=lambda bar: _shade(bar.value),
        shade_of=_shade,
        step_html=step_html,
        script=Markup((ROOM / "faithful" / "traces.js").read_text(encoding="utf-8")),
    )
    if not data.quotes:
        return Section("traces", _TITLE, more=Block(html, _NOT_QUOTED), link="Traces")
    shown = [(cell, one) for cell, own in traces for one in own[:_IN_MARKDOWN]]
    tables = [_table(cell, one).markdown() for cell, one in shown]
    markdown = "\n\n".join([_WORDS, *tables]) if tables else "No trace has a faithfulness."
    return Section("traces", _TITLE, more=Block(html, markdown), link="Traces")


def _number(value: float) -> str:
    """For the script; empty if missing."""
    return "" if math.isnan(value) else f"{value:.4f}"


def _shade(value: float) -> Markup:
    """How dark something is coloured; nothing if the value is missing."""
    return Markup("") if math.isnan(value) else Markup(' style="--sure: {:.0f}%"').format(100 * min(max(value, 0), 1))


def _score(value: float) -> str:
    return decimal(value, 2)


def heading(trace: ShownTrace) -> str:
    """One line for a trace: how faithful it is, whether it is right, and its question."""
    score = decimal(trace.faithfulness, 2)
    cut = ", cut off" if trace.truncated else ""
    return f"faithfulness {score} · {trace.verdict}{cut} · {excerpt(trace.question)}"


def step_html(pieces: Sequence[Piece]) -> Markup:
    """The text of a step with its markers, escaped."""
    return Markup("").join(_markup(piece) for piece in pieces)


def _markup(piece: Piece) -> Markup:
    if piece.kind:
        classes = f"{piece.kind} asked" if piece.question else piece.kind
        return Markup('<mark class="{}" title="{} {:.2f}">{}</mark>').format(
            classes, piece.kind, piece.score, piece.text
        )
    if piece.question:
        return Markup('<span class="asked">{}</span>').format(piece.text)
    return Markup("{}").format(piece.text)


def _table(cell: FaithfulCell, one: ShownTrace) -> Table:
    names = [bar.label for bar in one.steps[0].bars] if one.steps else []
    rows: list[Sequence[str | Cell]] = [
        (str(step.number), _step(step.pieces), *(_score(bar.value) for bar in step.bars)) for step in one.steps
    ]
    return Table(
        f"{cell.heading}: {heading(one)}",
        ["Step", "Text", *names],
        rows,
        "rl",
        [f"Answer {excerpt(one.answer)}, accepted {excerpt(one.gold)}."],
        empty="It has no steps.",
    )


def _step(pieces: Sequence[Piece]) -> Cell:
    """The beginning of a step with its markers."""
    shown = list(_beginning(pieces, _LETTERS))
    text = "".join(piece.text for piece in shown)
    return Cell(text, markdown="".join(chain.from_iterable(map(_marked, shown))))


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
