"""Words of doubt and certainty, and how certain people take them to be.

One scale throughout: the probability that a reader gives to a statement from its wording alone (Yona et al. 2024,
arXiv 2405.16908). Three kinds of norms, in this order:

- Surveys that ask what probability a word means, pooled by respondents: Fagen-Ulmschneider (123) and zonination (46).
- Belem et al. 2024 (188 respondents), who show statements by somebody else; also the source of the degree words.
- Bands from human-annotated hedged sentences (Tao et al. 2025, arXiv 2509.24202, as binned in RLMF, arXiv 2606.32032),
  taken at their middle, and at the mean of both middles where a word is in two bands.

A word without a norm takes that of the word it means the same as. Left out on purpose: approximators ("about",
"roughly", "approximately"), which make a quantity vague and not the commitment to it (Prince et al. 1982); "can",
"could" without "be", and "possible" without "that", which in mathematics say what may be done or what there is.
"""

import math
from types import MappingProxyType
from typing import Literal, NamedTuple

VERSION = "2"
"""Goes up whenever a score may change."""

Kind = Literal["scale", "hedge", "certainty", "quantity", "stance", "pole", "none"]


class Marker(NamedTuple):
    """What a word or phrase does to the sentence that it stands in."""

    kind: Kind
    """`scale`: degree words and negation move it. `hedge`: fixed. `certainty`: decisive unless negated or weakened.
    `quantity`: a `scale` word if it says how large a chance is. `stance`: a hedge if the writer is its subject.
    `pole`: an extreme that counts only when a word like "almost" keeps off it. `none`: looks like another marker
    and is none."""
    score: float
    """Its place between 0 and 1."""


def _pooled(fagen_ulmschneider: float, zonination: float) -> float:
    return (123 * fagen_ulmschneider + 46 * zonination) / (123 + 46)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


LIKELY = _pooled(0.709, 0.720)
PROBABLY = _pooled(0.687, 0.715)
PROBABLE = _pooled(0.676, 0.715)
UNLIKELY = _pooled(0.212, 0.199)
IMPROBABLE = _pooled(0.168, 0.180)
DOUBT = _pooled(0.224, 0.279)
EVEN = _pooled(0.507, 0.496)
ABOVE_EVEN = _pooled(0.581, 0.584)
LITTLE = _pooled(0.129, 0.160)
SLIGHT = _pooled(0.144, 0.141)
POLE = 0.975  # the middle of the topmost band
QUESTION = 0.011  # what a judge is shown for a question in arXiv 2606.03969
UNSURE, NOT_QUITE_SURE, FAIRLY_SURE = 0.2, 0.3, 0.675
WE_BELIEVE, I_BELIEVE = _pooled(0.751, 0.685), 0.625

# Degree words stretch or shrink the distance from even odds, in logits: an adverb multiplies its adjective
# (Cliff 1959, Psychological Review 66). Each factor is the geometric mean over the word pairs of the surveys.
VERY = math.sqrt(_logit(0.858) / _logit(0.773) * _logit(0.125) / _logit(0.206))
HIGHLY = math.prod(
    _logit(strong) / _logit(plain)
    for strong, plain in [
        *((0.871, 0.709), (0.862, 0.720), (0.878, 0.773)),
        *((0.108, 0.212), (0.101, 0.199), (0.145, 0.206)),
    ]
) ** (1 / 6)
SOMEWHAT = math.sqrt(_logit(0.662) / _logit(0.773) * _logit(0.312) / _logit(0.206))
NOT = _logit(0.211) / _logit(0.773)
# "Not unlikely" is weaker than "likely": the negation that turns round also shrinks.
NOT_UN = -SOMEWHAT
# Nothing but the two poles is ever "almost" reached.
ALMOST = 2 / 3

DEGREES = MappingProxyType(
    {
        **dict.fromkeys(("very", "really", "most"), VERY),
        **dict.fromkeys(("highly", "extremely", "overwhelmingly", "exceedingly", "vanishingly"), HIGHLY),
        **dict.fromkeys(("somewhat", "slightly", "rather", "fairly", "moderately", "reasonably"), SOMEWHAT),
    }
)
APPROACHES = frozenset({"almost", "nearly", "virtually", "practically"})
WEAKENERS = frozenset({"fairly", "pretty", "reasonably", "quite", "mostly", "relatively", "somewhat", "rather"})
THOROUGHLY = frozenset(
    {"entirely", "completely", "fully", "totally", "quite", "absolutely", "wholly", "altogether", "perfectly", "%"}
)
NEGATIONS = frozenset(
    {"not", "never", "hardly", "cannot", "nor", "neither", "without"}
    | {
        f"{verb}n't"
        for verb in ("is", "are", "was", "were", "do", "does", "did", "have", "has", "wo", "would", "could")
    }
    | {"can't", "ain't", "shouldn't"}
)
CHANCE = frozenset({"chance", "chances", "odds", "likelihood", "possibility", "prospect", "prospects"})
COPULAS = frozenset({"is", "are", "was", "were", "be", "seem", "seems", "look", "looks", "remain"})
FIRST_PERSON = frozenset({"i", "we"} | {f"{who}'{verb}" for who in ("i", "we") for verb in ("d", "m", "re", "ve")})
# What may stand between "I" and its verb.
BETWEEN = frozenset(
    {"really", "still", "also", "just", "honestly", "strongly", "personally", "therefore", "now", "then", "do", "would"}
    | {"did", "am", "are", "can", "rather", "kind", "sort", "of", "to", "tend", "simply", "initially", "actually"}
)


def _table() -> dict[str, Marker]:
    fixed = [
        (0.15, "perhaps, tentatively, i suppose, my guess, a guess"),
        (0.2, "maybe"),
        (UNSURE, "unsure, unclear, don't know if, don't know whether, do not know if, do not know whether"),
        (UNSURE, "hard to say, hard to tell"),
        (0.225, "might, conceivably"),
        (0.275, "possibly"),
        (0.3, "may, we may be, we may have, we may not, could be, could have been, seems like, seem like"),
        (0.3, "possible that, it's possible, it is possible, not impossible"),
        (0.3, "might be wrong, may be wrong, could be wrong"),
        (0.347, "uncertain"),
        (0.375, "if i recall, if i recall correctly, if i remember, if i remember correctly, potentially"),
        (0.525, "it seems, it seemed, it appears, apparently, suggests, suggests that, i would say, i'd say"),
        (0.525, "as far as i know, as far as i can tell, to my knowledge"),
        (FAIRLY_SURE, "seems, seem, seems to be, seem to be, appears to be, appear to be, appears to"),
        (FAIRLY_SURE, "presumably, should be"),
        (0.825, "evidence suggests, evidence suggests that, in all likelihood, in all probability"),
        (EVEN, "fifty-fifty, 50-50, toss-up, no convincing evidence"),
        (PROBABLY, "chances are that, odds are that"),
        (ABOVE_EVEN, "better than even, more likely than not, greater than even"),
        (1 - ABOVE_EVEN, "less than even, worse than even"),
        (UNLIKELY, "less likely, least likely"),
        (QUESTION, "i wonder, i wonder if, i wonder whether, i'm wondering, we wonder"),
    ]
    scale = [
        (LIKELY, "likely"),
        (PROBABLY, "probably"),
        (PROBABLE, "probable"),
        (UNLIKELY, "unlikely"),
        (IMPROBABLE, "improbable, implausible"),
        (DOUBT, "doubtful, dubious, questionable"),
        (0.525, "plausible"),
        (0.825, "confident, fairly confident, pretty confident, quite confident, reasonably confident"),
    ]
    quantities = [
        (EVEN, "even"),
        (LITTLE, "little, minimal"),
        (SLIGHT, "slight, slim, small, faint, remote, low"),
        (LIKELY, "good, strong, high, great"),
        (1 - POLE, "no, zero"),
    ]
    certain = [
        (1.0, "certain, certainly, sure, surely, clear, clearly, obvious, obviously, evident, evidently, convinced"),
        (1.0, "definitely, undoubtedly, unquestionably, doubtless"),
        (1.0, "no doubt, without doubt, without a doubt, beyond doubt, beyond a doubt"),
    ]
    stances = [
        (0.35, "think, reckon"),
        (I_BELIEVE, "believe"),
        (0.3, "suspect"),
        (0.225, "guess"),
        (DOUBT, "doubt"),
    ]
    look_alikes = [
        (1.0, "equally likely, maximum likelihood, likelihood function, likelihood ratio, make sure, making sure"),
        (1.0, "it is possible to, it's possible to, might as well, may as well, we may, one may, you may"),
    ]
    groups: list[tuple[Kind, list[tuple[float, str]]]] = [
        ("hedge", fixed),
        ("scale", scale),
        ("quantity", quantities),
        ("certainty", certain),
        ("stance", stances),
        ("pole", [(1 - POLE, "impossible"), (POLE, "inevitable")]),
        ("none", look_alikes),
    ]
    return {
        phrase: Marker(kind, score)
        for kind, rows in groups
        for score, phrases in rows
        for phrase in phrases.split(", ")
    }


MARKERS = MappingProxyType(_table())
"""Every marker by its words, in small letters."""
