"""Decisiveness of a step by a lexicon of hedges and certainty words: offline, and the same on every machine."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from ccps.faithful.composition import Span, find_markers
from ccps.faithful.deliberation import Deliberation
from ccps.faithful.markers import QUESTION
from ccps.faithful.sentences import mask_formulae, sentence_spans
from ccps.metrics.inputs import check_choice

Aggregate = Literal["mean", "min", "last"]

_TOKEN = re.compile(r"\d+\.\d+|[^\W_]+(?:['-][^\W_]+)*|%|[,;:()—]")


class Found(NamedTuple):
    """A marker in a step, with the words that change what it says."""

    start: int
    """First character, on the text of the step."""
    end: int
    """After the last."""
    text: str
    """The words."""
    score: float
    """What they say on the scale of the lexicon; 1 for certainty."""


class SentenceScore(NamedTuple):
    """One sentence of a step."""

    start: int
    """First character, on the text of the step."""
    end: int
    """After the last."""
    score: float
    """In [0, 1]: 0.011 for a question, the least of its hedges, else 1."""
    words: int
    """Its weight in the mean: pieces between white space."""
    markers: tuple[Found, ...]
    """What was found, in order."""


class Decisiveness(NamedTuple):
    """How decisive the words of a step are, and why."""

    score: float
    """In [0, 1], higher being more decisive; NaN for a text without a word."""
    sentences: tuple[SentenceScore, ...]
    """Its sentences, in order."""


def score_steps(
    texts: Iterable[str], *, aggregate: Aggregate = "mean", deliberation: Deliberation = "none"
) -> list[Decisiveness]:
    """`decisiveness` of every step."""
    return [decisiveness(text, aggregate=aggregate, deliberation=deliberation) for text in texts]


def decisiveness(text: str, *, aggregate: Aggregate = "mean", deliberation: Deliberation = "none") -> Decisiveness:
    """How decisive a text sounds, whether it is true or not.

    A sentence without markers is decisive, 1; a question is not, 0.011; else the least decisive of its hedges decides,
    and words of certainty beside them are not heard. Degree words and negation change what a hedge says ("not very
    likely"). Formulae and code are not read. A refusal to answer is decisive, as for the judges of arXiv 2606.03969.

    Args:
        text: a step.
        aggregate: how sentences make a step: `mean` weighted by words, `min`, or the `last` sentence.
        deliberation: what thinking aloud ("wait", "hmm", "let me check") says. `none`: nothing, as there are no
            published norms for it. `suggested`: a hedge, by numbers of our own. `measured`: a hedge, by how often
            reasoning models said the same again there. See `ccps.faithful.deliberation`.

    Raises:
        ValueError: unknown aggregate or deliberation.
    """
    check_choice("deliberation", deliberation, get_args(Deliberation))
    check_choice("aggregate", aggregate, get_args(Aggregate))
    masked = mask_formulae(text).replace("’", "'")
    sentences = tuple(_score_sentence(text, masked, span, deliberation) for span in sentence_spans(text))
    return Decisiveness(_aggregate(sentences, aggregate), sentences)


def _aggregate(sentences: Sequence[SentenceScore], aggregate: Aggregate) -> float:
    if not sentences:
        return math.nan
    scores = [sentence.score for sentence in sentences]
    if aggregate == "mean":
        return float(np.average(scores, weights=[sentence.words for sentence in sentences]))
    return min(scores) if aggregate == "min" else scores[-1]


def _score_sentence(text: str, masked: str, span: tuple[int, int], deliberation: Deliberation) -> SentenceScore:
    start, end = span
    words = _TOKEN.findall(masked[start:end])
    spans = find_markers([word.lower() for word in words], words, deliberation)
    question = masked[start:end].rstrip("\"'”’)]*_ ").endswith("?")
    score = min([QUESTION if question else 1.0, *(found.score for found in spans)])
    markers = tuple(_located(text, masked, span, spans)) if spans else ()
    return SentenceScore(start, end, score, len(text[start:end].split()), markers)


def _located(text: str, masked: str, span: tuple[int, int], spans: Sequence[Span]) -> Iterable[Found]:
    places = [match.span() for match in _TOKEN.finditer(masked, *span)]
    for found in spans:
        start, end = places[found.first][0], places[found.after - 1][1]
        yield Found(start, end, text[start:end], found.score)
