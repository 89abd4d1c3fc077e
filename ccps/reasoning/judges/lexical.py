"""Judging by the words that two texts share."""

import re
import string
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, cast

from ccps.faithful import Mode
from ccps.grading.normalise import normalise
from ccps.llm import ModelFiles
from ccps.reasoning.judges.base import ConsistencyJudge, Opening, Pair, StepVerdict, register
from ccps.settings.faithful.judge import JudgeChoice

Measure = Literal["token_f1", "squad_f1", "rouge_l"]

_NO_SIGNS = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")

# Raise it if a verdict would be another one.
_VERSION = 1


@register
class LexicalJudge(ConsistencyJudge):
    """1 − F1 of the words that two texts share, by SQuAD's or ROUGE's count.

    Says whether the same is said in the same words: a paraphrase seems inconsistent, and what contradicts in one word
    does not. For comparison, and where no model is to be had.

    Args:
        measure: `token_f1`, words in any order (Rajpurkar et al. 2016, arXiv 1606.05250) of texts in `normalise`d form,
            in which signs that decide stand and numbers are told by value; `squad_f1`, the same without any sign, as
            SQuAD's own script has it; or `rouge_l`, the longest sequence of words in `normalise`d form that stands in
            both, with gaps (Lin 2004, ROUGE).
        mode: see `ConsistencyJudge`.
    """

    name = "lexical"
    in_words = "words in common"
    settings = frozenset({"measure"})

    def __init__(self, measure: Measure = "token_f1", mode: Mode = "strict") -> None:
        super().__init__(mode)
        self.measure: Measure = measure

    @classmethod
    def inputs(cls, choice: JudgeChoice, under_study: ModelFiles | None) -> dict[str, Any]:
        """The measure."""
        return {"version": _VERSION, "measure": choice.measure}

    @classmethod
    def open(cls, opening: Opening) -> "LexicalJudge":
        """Make it."""
        return cls(cast(Measure, opening.choice.measure), opening.mode)

    def judge_distinct(self, pairs: Sequence[Pair]) -> list[StepVerdict]:
        """Compare the words of each pair; a text that stands in many pairs is read once."""
        words = squad_words if self.measure == "squad_f1" else _normalised_words
        shared = _in_order if self.measure == "rouge_l" else _in_any_order
        read = {text: _Words.of(words(text)) for text in dict.fromkeys(text for pair in pairs for text in pair)}
        return [StepVerdict(1.0 - _f1(read[one], read[other], shared(read[one], read[other]))) for one, other in pairs]


class _Words(NamedTuple):
    """A text as it is compared."""

    words: list[str]
    """In order."""
    counted: frozenset[Hashable]
    """The same in any order: a word, and from its second time on that word with the number of the time. What two texts
    have in common, each word as often as in both, is then the intersection."""

    @classmethod
    def of(cls, words: list[str]) -> "_Words":
        """Read a text cut into words."""
        distinct = frozenset(words)
        return cls(words, distinct if len(distinct) == len(words) else frozenset(_numbered(words)))


def _normalised_words(text: str) -> list[str]:
    return normalise(text).split()


def squad_words(text: str) -> list[str]:
    """The words of a text as SQuAD's script compares them: lower case, no ASCII punctuation, no articles."""
    return _ARTICLE.sub(" ", text.lower().translate(_NO_SIGNS)).split()


def _numbered(words: Iterable[str]) -> Iterable[Hashable]:
    times: dict[str, int] = defaultdict(int)
    for word in words:
        times[word] += 1
        yield word if times[word] == 1 else (word, times[word])


def _f1(one: _Words, other: _Words, shared: int) -> float:
    """The harmonic mean of precision and recall over shared words; 0 if there are none."""
    return 2 * shared / (len(one.words) + len(other.words)) if shared else 0.0


def _in_any_order(one: _Words, other: _Words) -> int:
    """How many words two texts share, as `ccps.grading.normalise.token_f1` counts them."""
    return len(one.counted & other.counted)


def _in_order(one: _Words, other: _Words) -> int:
    """Length of the longest sequence of words that stands in both."""
    return _longest_common_subsequence(one.words, other.words)


def rouge_l(one: str, other: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004), on texts in `normalise`d form; 0 if either is empty."""
    ours, theirs = (_Words.of(_normalised_words(text)) for text in (one, other))
    return _f1(ours, theirs, _in_order(ours, theirs))


def _longest_common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Its length, by the bit-parallel recurrence of Hyyrö (2004): a zero bit wherever a row of the table goes up."""
    places: dict[str, int] = defaultdict(int)
    for place, word in enumerate(one):
        places[word] |= 1 << place
    everywhere = (1 << len(one)) - 1
    row = everywhere
    for word in other:
        matches = row & places.get(word, 0)
        row = (row + matches) | (row - matches)
    return len(one) - (row & everywhere).bit_count()
