"""Thinking aloud in reasoning traces ("wait", "hmm", "let me check"): what has no published norm as a hedge.

Two tables stand in for norms, neither of them read unless asked for. `suggested` are numbers of our own. `measured` are
shares: how often two reasoning models, let go on from just before a sentence with these words, said the same again
(docs/decisiveness.md has the data, the test on other problems, and what does not hold).
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from ccps.faithful.sentences import mask_formulae

Deliberation = Literal["none", "suggested", "measured"]

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")

# Ways of saying one thing, counted together: each alone is too rare.
KINDS = MappingProxyType(
    {
        "wait": ("wait",),
        "hmm": ("hmm", "hm"),
        "hold on": ("hold on",),
        "actually": ("actually",),
        "let me check": (
            *("let me check", "let me recheck", "let me re-check", "let me double-check", "let me double check"),
            *("let me verify", "let's check", "let's double-check", "let's verify"),
        ),
        "let me see": ("let me see", "let's see"),
        "let me think": ("let me think",),
        "alternatively": ("alternatively",),
        "another way": ("another way", "another approach"),
    }
)
"""Expressions by the name of what they do."""

_SUGGESTED = MappingProxyType(
    {"let me think": 0.15, "wait": 0.35, "hmm": 0.35, "hold on": 0.35, "actually": 0.35, "let me check": 0.5}
)
# Mean share that says the same again, on the half of the problems where they were found; those alone that hold on the
# other half for both models.
_MEASURED = MappingProxyType(
    {"wait": 0.296, "hmm": 0.311, "let me check": 0.177, "let me think": 0.183, "alternatively": 0.291}
)

_NONE: Mapping[str, float] = MappingProxyType({})


def deliberation_norms(deliberation: Deliberation) -> Mapping[str, float]:
    """What each expression says, in [0, 1]; those of one kind say the same."""
    norms = {"none": _NONE, "suggested": _SUGGESTED, "measured": _MEASURED}[deliberation]
    return {words: norm for kind, norm in norms.items() for words in KINDS[kind]}


def kinds_of(text: str) -> frozenset[str]:
    """Which kinds of thinking aloud stand in a text, outside formulae and code."""
    plain = mask_formulae(text).lower().replace("’", "'")
    words = f" {' '.join(_WORD.findall(plain))} "
    return frozenset(kind for kind, phrases in KINDS.items() if any(f" {phrase} " in words for phrase in phrases))
