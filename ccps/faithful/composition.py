"""What a marker says in its sentence: degree words stretch it, negations turn it round, subjects claim it."""

import math
import re
from collections import defaultdict
from functools import cache
from typing import NamedTuple

from ccps.faithful.deliberation import Deliberation, deliberation_norms
from ccps.faithful.markers import (
    ALMOST,
    APPROACHES,
    BETWEEN,
    CHANCE,
    COPULAS,
    DEGREES,
    DOUBT,
    EVEN,
    FAIRLY_SURE,
    FIRST_PERSON,
    MARKERS,
    NEGATIONS,
    NOT,
    NOT_QUITE_SURE,
    NOT_UN,
    POLE,
    THOROUGHLY,
    UNSURE,
    WE_BELIEVE,
    WEAKENERS,
    Marker,
)

_PUNCTUATION = frozenset(",;:()—")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_NEGATION_WINDOW = 3


class Span(NamedTuple):
    """A marker with the words that change it, by tokens of its sentence."""

    first: int
    """Its first token."""
    after: int
    """The one after its last."""
    score: float
    """What it says, in [0, 1]; 1 for certainty."""


@cache
def _by_first_word(deliberation: Deliberation) -> dict[str, list[tuple[list[str], Marker]]]:
    """Markers by their first word, the longest first."""
    table: dict[str, list[tuple[list[str], Marker]]] = defaultdict(list)
    aloud = {words: Marker("hedge", norm) for words, norm in deliberation_norms(deliberation).items()}
    for phrase, marker in sorted({**MARKERS, **aloud}.items(), key=lambda item: -item[0].count(" ")):
        words = phrase.split()
        table[words[0]].append((words, marker))
    return dict(table)


def find_markers(tokens: list[str], words: list[str], deliberation: Deliberation) -> list[Span]:
    """Markers of a sentence, none overlapping another.

    Args:
        tokens: words and punctuation marks, in small letters.
        words: the same as they were written.
        deliberation: how thinking aloud counts.

    Returns:
        What each says among its neighbours, in order.
    """
    phrases = _by_first_word(deliberation)
    found: list[Span] = []
    reached = 0
    for place, token in enumerate(tokens):
        if place < reached or token not in phrases:
            continue
        for phrase, marker in phrases[token]:
            after = place + len(phrase)
            if tokens[place:after] != phrase:
                continue
            # "May" with a capital inside a sentence is the month.
            month = words[place] == "May" and place > 0
            span = None if month else _read(tokens, place, after, marker)
            if span:
                found.append(span._replace(first=max(span.first, reached)))
            reached = span.after if span else after
            break
    return found


def _read(tokens: list[str], first: int, after: int, marker: Marker) -> Span | None:
    """What a marker says among its neighbours; None if it is none there."""
    if marker.kind == "quantity":
        return _read_quantity(tokens, first, after, marker.score)
    if marker.kind == "scale":
        return _read_scale(tokens, first, after, marker.score)
    if marker.kind == "certainty":
        return _read_certainty(tokens, first, after)
    if marker.kind == "stance":
        return _read_stance(tokens, first, after, marker.score)
    if marker.kind == "pole":
        near = _before(tokens, first, 0) in APPROACHES
        return Span(first - 1, after, _moved(marker.score, ALMOST)) if near else None
    # A denied possibility is as decisive as any other statement.
    denied = tokens[first:after] == ["possible", "that"] and _negation(tokens, first) is not None
    return None if marker.kind == "none" or denied else Span(first, after, marker.score)


def _read_scale(tokens: list[str], first: int, after: int, score: float) -> Span:
    start, factor = first, 1.0
    if (share := _percentage(tokens, first)) is not None:
        return _read_share(tokens, first, after, 1 - share if score < EVEN else share)
    while _before(tokens, start, 0) in DEGREES:
        start -= 1
        factor *= DEGREES[tokens[start]]
    negation = _negation(tokens, start)
    if negation is None and _at(tokens, after) == "not":
        negation, after = start, after + 1
    if negation is not None:
        start = negation
        factor *= NOT_UN if score < EVEN else NOT
    return Span(start, after, _moved(score, factor))


def _read_quantity(tokens: list[str], first: int, after: int, score: float) -> Span | None:
    """Of "a slim chance" or "the odds are very good"; elsewhere "good" and "no" are ordinary words."""
    start = first
    while (word := _before(tokens, start, 0)) in DEGREES or word in APPROACHES or word in ("about", "roughly"):
        start -= 1
    if _at(tokens, after) in CHANCE:
        after += 1
    elif not (_before(tokens, start, 0) in COPULAS and _before(tokens, start, 1) in CHANCE):
        bare = tokens[first] == "even" and _before(tokens, first, 0) == "about" and _closes(tokens, after)
        return Span(start, after, score) if bare else None
    if tokens[first] == "even":
        return Span(start, after, score)
    if score == 1 - POLE:
        return Span(start, after, _moved(score, ALMOST if _before(tokens, first, 0) in APPROACHES else 1.0))
    return _read_scale(tokens, first, after, score)


def _read_certainty(tokens: list[str], first: int, after: int) -> Span | None:
    before = _before(tokens, first, 0)
    # "A certain number" is any number.
    if tokens[first] == "certain" and before in ("a", "some", "any", "in", "under", "for"):
        return None
    negation = _negation(tokens, first) if tokens[first] not in ("no", "without", "beyond") else None
    if (share := _percentage(tokens, first)) is not None:
        return _read_share(tokens, first, after, share)
    if negation is not None:
        partly = not THOROUGHLY.isdisjoint(tokens[negation:first])
        return Span(negation, after, NOT_QUITE_SURE if partly else UNSURE)
    if before in APPROACHES:
        return Span(first - 1, after, _moved(POLE, ALMOST))
    if before in WEAKENERS:
        return Span(first - 1, after, FAIRLY_SURE)
    return Span(first, after, 1.0)


def _read_share(tokens: list[str], first: int, after: int, share: float) -> Span:
    """Of "90% likely" the number itself; denied ("not 90% likely") it is less, "90% likely not" says the contrary."""
    if (negation := _negation(tokens, first - 2)) is not None:
        return Span(negation, after, min(share, NOT_QUITE_SURE))
    if _at(tokens, after) == "not":
        return Span(first - 2, after + 1, 1 - share)
    return Span(first - 2, after, share)


def _read_stance(tokens: list[str], first: int, after: int, score: float) -> Span | None:
    """Of "I (do not) think", the writer's own; what others think is no hedge."""
    start, negated = first - 1, False
    while start >= 0 and (tokens[start] in BETWEEN or tokens[start] in NEGATIONS):
        negated = negated or tokens[start] in NEGATIONS
        start -= 1
    if start < 0 or tokens[start] not in FIRST_PERSON:
        return None
    if tokens[first] == "doubt":
        return Span(start, after, 1.0 if negated else score)
    # "I do not think that it is" says "I think that it is not".
    if negated:
        return Span(start, after, DOUBT)
    plural = tokens[start].startswith("we")
    return Span(start, after, WE_BELIEVE if plural and tokens[first] == "believe" else score)


def _negation(tokens: list[str], first: int) -> int | None:
    """The nearest negation among the three words before, none beyond a punctuation mark."""
    for place in range(first - 1, max(first - 1 - _NEGATION_WINDOW, -1), -1):
        if tokens[place] in _PUNCTUATION:
            return None
        if tokens[place] in NEGATIONS:
            return place
    return None


def _percentage(tokens: list[str], first: int) -> float | None:
    """The number in "90% sure"."""
    if _before(tokens, first, 0) not in ("%", "percent"):
        return None
    number = _before(tokens, first, 1)
    return float(number) / 100 if _NUMBER.fullmatch(number) and float(number) <= 100 else None


def _moved(score: float, factor: float) -> float:
    """A place on the scale, its distance from even odds multiplied in logits."""
    return 1 / (1 + math.exp(-factor * math.log(score / (1 - score))))


def _closes(tokens: list[str], place: int) -> bool:
    return _at(tokens, place) in ("", "that") or _at(tokens, place) in _PUNCTUATION


def _at(tokens: list[str], place: int) -> str:
    return tokens[place] if 0 <= place < len(tokens) else ""


def _before(tokens: list[str], place: int, further: int) -> str:
    return _at(tokens, place - 1 - further)
