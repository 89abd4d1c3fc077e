"""Steps that a trace brings with it: found again in its text, and taken together to paragraphs where asked for."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ccps.faithful.modes import Mode
from ccps.faithful.segment import PARAGRAPH_BREAK, Step, Unit


class PlacedSteps(NamedTuple):
    """The steps of a trace that brings its own."""

    steps: list[Step]
    """In the order given. What does not stand in the text has an empty span, where the step before it ends."""
    parts: list[range]
    """Which of the given texts make up each step."""
    absent: tuple[int, ...]
    """Which of the given texts do not stand in the trace, or not in their order."""


def place_steps(text: str, given: Sequence[str], *, unit: Unit = "sentence", mode: Mode = "strict") -> PlacedSteps:
    """Find given steps in the text of their trace.

    Each is looked for behind the one before it. If the next one comes first there, it is held for absent: a few words
    may stand again much later, and all between would be lost.

    Args:
        text: what the model generated.
        given: the texts of its steps, in order.
        unit: `sentence` leaves steps as they are given, whatever they are; `paragraph` takes those together between
            which there is no blank line. One that is absent stays with the one before it.
        mode: `strict` or `parity`, as in `segment`.
    """
    spans, absent = _spans(text, [one.strip() for one in given])
    if unit == "sentence":
        parts = [range(place, place + 1) for place in range(len(given))]
    else:
        parts = _paragraphs(text, spans, frozenset(absent), mode)
    steps = [
        Step(spans[own[0]][0], spans[own[-1]][1], " ".join(given[place].strip() for place in own)) for own in parts
    ]
    return PlacedSteps(steps, parts, tuple(absent))


def _spans(text: str, given: Sequence[str]) -> tuple[list[tuple[int, int]], list[int]]:
    spans: list[tuple[int, int]] = []
    absent: list[int] = []
    reached = 0
    for place, (own, following) in enumerate(pairwise([*given, ""])):
        found = text.find(own, reached)
        before = text.find(following, reached, found) if following else -1
        if not own or found < 0 or before >= 0:
            absent.append(place)
            found, own = reached, ""
        reached = found + len(own)
        spans.append((found, reached))
    return spans, absent


def _paragraphs(text: str, spans: Sequence[tuple[int, int]], absent: frozenset[int], mode: Mode) -> list[range]:
    starts = [
        place
        for place, (start, _) in enumerate(spans)
        if place == 0
        or (place not in absent and PARAGRAPH_BREAK[mode].search(text, spans[place - 1][1], start) is not None)
    ]
    return [range(start, end) for start, end in pairwise([*starts, len(spans)])] if spans else []
