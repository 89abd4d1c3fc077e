"""Cut a reasoning trace into steps, by character spans on the text as the model wrote it."""

import re
from typing import Literal, NamedTuple, get_args

from ccps.data.thinking import KNOWN, marks_in
from ccps.faithful.modes import Mode, check_mode
from ccps.faithful.sentences import sentence_spans
from ccps.metrics.inputs import check_choice

Unit = Literal["paragraph", "sentence"]

PARAGRAPH_BREAK = {"parity": re.compile(r"\n{2,}"), "strict": re.compile(r"\r?\n(?:[ \t]*\r?\n)+")}


class Step(NamedTuple):
    """One step of a trace."""

    start: int
    """Where its chunk begins in the original text, white space around it included."""
    end: int
    """Where its chunk ends."""
    text: str
    """The chunk without white space around it; in `strict` mode with line ends unified to one newline character."""


class Block(NamedTuple):
    """The part of a generated text that is reasoning."""

    start: int
    """Its first character."""
    end: int
    """After its last character."""
    truncated: bool
    """Whether thinking was opened and never closed: the generation was cut off."""
    surplus_tags: int
    """Think tags beyond the first of each kind."""
    after: int = -1
    """Where what follows the thinking begins; −1 if nothing closes it."""


def think_block(text: str, *, mode: Mode = "strict") -> Block:
    """Find the reasoning in a generated text, whichever of its tags are there.

    Up to the first closing tag, from the first opening tag if that stands before it (chat templates often put it into
    the prompt); the whole text if nothing closes it. `strict` knows the marks of several families
    (`ccps.data.thinking`), and skips opening tags at the start of the block, which `parity`, to which `<think>` is all
    there is, leaves in the first step of a truncated or doubly opened trace.

    Source: released code of arXiv 2606.03969.

    Raises:
        ValueError: unknown mode.
    """
    check_mode(mode)
    marks = marks_in(text) if mode == "strict" else KNOWN[0]
    opened, closed = text.find(marks.opening), text.find(marks.closing)
    start, end = 0, len(text) if closed < 0 else closed
    if 0 <= opened < closed:
        start = opened + len(marks.opening)
    leading = re.compile(rf"(?:\s*{re.escape(marks.opening)})+")
    if mode == "strict" and (found := leading.match(text, start, end)):
        start = found.end()
    surplus = sum(max(0, text.count(tag) - 1) for tag in marks)
    after = closed + len(marks.closing) if closed >= 0 else -1
    return Block(start, end, truncated=opened >= 0 and closed < 0, surplus_tags=surplus, after=after)


def segment(text: str, *, unit: Unit = "paragraph", mode: Mode = "strict") -> list[Step]:
    r"""Cut a trace into steps: the paragraphs, or sentences, of its reasoning; the answer after it is none.

    Paragraphs end at blank lines. In `parity` a blank line is empty (two or more newlines in a row); in `strict` it may
    hold spaces and tabs, and lines may end in `\r\n`. Chunks of white space are no steps.

    Source: arXiv 2606.03969, released code (paragraphs); sentences are ours.

    Args:
        text: what the model generated, without the prompt.
        unit: `paragraph`, or `sentence` to cut each paragraph further.
        mode: `strict` or `parity`.

    Returns:
        Steps in order, none overlapping another; empty if there is no reasoning.

    Raises:
        ValueError: unknown mode or unit.
    """
    check_choice("unit", unit, get_args(Unit))
    block = think_block(text, mode=mode)
    spans = _chunks(text, block, PARAGRAPH_BREAK[mode])
    if unit == "sentence":
        spans = [(start + a, start + b) for start, end in spans for a, b in sentence_spans(text[start:end])]
    return [Step(start, end, _clean(text[start:end], mode)) for start, end in spans if text[start:end].strip()]


def _chunks(text: str, block: Block, separator: re.Pattern[str]) -> list[tuple[int, int]]:
    breaks = [match.span() for match in separator.finditer(text, block.start, block.end)]
    starts = [block.start, *(end for _, end in breaks)]
    ends = [*(start for start, _ in breaks), block.end]
    return list(zip(starts, ends, strict=True))


def _clean(chunk: str, mode: Mode) -> str:
    return chunk.strip() if mode == "parity" else chunk.strip().replace("\r\n", "\n")
