"""Judging by the words that two texts share."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal, cast

from ccps.faithful import Mode
from ccps.grading.normalise import normalise, token_f1
from ccps.llm import ModelFiles
from ccps.reasoning.judges.base import ConsistencyJudge, Opening, Pair, StepVerdict, register
from ccps.settings.faithful.judge import JudgeChoice

Measure = Literal["token_f1", "rouge_l"]

# Raise it if a verdict would be another one.
_VERSION = 1


@register
class LexicalJudge(ConsistencyJudge):
    """1 − F1 of the words that two texts share, by SQuAD's or ROUGE's count; both on texts in `normalise`d form.

    Says whether the same is said in the same words: a paraphrase seems inconsistent, and what contradicts in one word
    does not. For comparison, and where no model is to be had.

    Args:
        measure: `token_f1`, words in any order (Rajpurkar et al. 2016, arXiv 1606.05250), or `rouge_l`, the longest
            sequence of words that stands in both, with gaps (Lin 2004, ROUGE).
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
        """Compare the words of each pair."""
        f1 = token_f1 if self.measure == "token_f1" else rouge_l
        return [StepVerdict(1.0 - f1(pair.context, pair.assertion)) for pair in pairs]


def rouge_l(one: str, other: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004), on texts in `normalise`d form; 0 if either is empty."""
    ours, theirs = normalise(one).split(), normalise(other).split()
    shared = _longest_common_subsequence(ours, theirs)
    return 2 * shared / (len(ours) + len(theirs)) if shared else 0.0


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
