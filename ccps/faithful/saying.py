"""From a probability to words: what to say so that readers take it for p. The lexicon the other way round."""

from bisect import bisect_left
from functools import cache
from typing import NamedTuple

from ccps.faithful.lexicon import decisiveness


class Saying(NamedTuple):
    """A step of the lexicon, and how to say it."""

    norm: float
    """The probability that people hear in it: what `decisiveness` gives to phrase and sentence."""
    phrase: str
    """The expression by itself."""
    sentence: str
    """A sentence about "this" that says it."""


# One expression for each step of the scale; where several share a step, the plainest. A question and "I wonder" are the
# lowest step of the lexicon, but as little as they commit to, they do not say that something is hardly so: not here.
_EXPRESSIONS = (
    ("no chance", "There is no chance that this is right."),
    ("very little chance", "There is very little chance that this is right."),
    ("almost no chance", "There is almost no chance that this is right."),
    ("highly unlikely", "It is highly unlikely that this is right."),
    ("very unlikely", "It is very unlikely that this is right."),
    ("little chance", "There is little chance that this is right."),
    ("slight chance", "There is a slight chance that this is right."),
    ("perhaps", "Perhaps this is right."),
    ("improbable", "It is improbable that this is right."),
    ("maybe", "Maybe this is right."),
    ("unlikely", "It is unlikely that this is right."),
    ("might", "This might be right."),
    ("I doubt", "I doubt that this is right."),
    ("not likely", "It is not likely that this is right."),
    ("possibly", "This is possibly right."),
    ("probably not", "This is probably not right."),
    ("may", "This may be right."),
    ("somewhat unlikely", "It is somewhat unlikely that this is right."),
    ("uncertain", "I am uncertain of this."),
    ("I think", "I think this is right."),
    ("potentially", "This is potentially right."),
    ("less than even", "The odds are less than even that this is right."),
    ("about even", "The odds are about even that this is right."),
    ("it seems", "It seems that this is right."),
    ("more likely than not", "It is more likely than not that this is right."),
    ("somewhat probable", "It is somewhat probable that this is right."),
    ("I believe", "I believe this is right."),
    ("fairly sure", "I am fairly sure of this."),
    ("probable", "It is probable that this is right."),
    ("probably", "This is probably right."),
    ("likely", "It is likely that this is right."),
    ("we believe", "We believe this is right."),
    ("very probable", "It is very probable that this is right."),
    ("very likely", "It is very likely that this is right."),
    ("highly likely", "It is highly likely that this is right."),
    ("confident", "I am confident of this."),
    ("very confident", "I am very confident of this."),
    ("almost certain", "I am almost certain of this."),
    ("certain", "I am certain of this."),
)


@cache
def sayings() -> tuple[Saying, ...]:
    """Every step that there are words for, from no chance to certain, each with the norm that the lexicon gives it."""
    return tuple(Saying(decisiveness(sentence).score, phrase, sentence) for phrase, sentence in _EXPRESSIONS)


def phrase(p: float) -> str:
    """The expression whose norm is nearest to a probability: "probably" for 0.7.

    Args:
        p: in [0, 1].

    Raises:
        ValueError: outside [0, 1], or NaN.
    """
    return _nearest(p).phrase


def say(p: float) -> str:
    """A sentence that gives a probability in words: "I am fairly sure of this." for 0.67.

    `decisiveness(say(p))` is p to within half of the distance between the two steps of `sayings` on either side of p.
    Below the first step (0.025) the first is said: no words of the lexicon go lower.

    Args:
        p: in [0, 1].

    Raises:
        ValueError: outside [0, 1], or NaN.
    """
    return _nearest(p).sentence


def _nearest(p: float) -> Saying:
    if not 0 <= p <= 1:
        raise ValueError(f"Expected `p` to be a probability in [0, 1], but got {p}. Pass P(correct) as a fraction.")
    steps = sayings()
    above = min(bisect_left(steps, p, key=lambda step: step.norm), len(steps) - 1)
    near = steps[max(above - 1, 0) : above + 1]
    return min(near, key=lambda step: abs(step.norm - p))
