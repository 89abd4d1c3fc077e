"""Graders of open-ended answers that ask nobody."""

from pathlib import Path
from typing import Any, Self

from ccps.data.records import Question
from ccps.grading.base import Comparison
from ccps.grading.containment import same_units, says
from ccps.grading.normalise import normalise, token_f1
from ccps.grading.registry import register
from ccps.settings.grading import GraderConfig


@register
class Normalised(Comparison):
    """Right if the answer is an accepted text, see `normalise`."""

    name = "normalised"
    version = 4
    formats = frozenset({"oe"})

    def is_right(self, answer: str, question: Question) -> bool:
        """Whether it equals an accepted text in normalised form."""
        return any(normalise(answer) == normalise(text) and same_units(answer, text) for text in question.accepted)


@register
class Contains(Comparison):
    """Right if an accepted text stands in the answer, word for word; for models that answer in whole sentences.

    Source: `has_answer` of DPR (Karpukhin et al. 2020, arXiv 2004.04906), on the texts of `normalise`. Ours: lists,
    bounds, units, longer names and denials that hold the text and say something else, see `ccps.grading.containment`.
    An answer that takes the accepted text back later on ("Paris is wrong") passes too.
    """

    name = "contains"
    version = 6
    formats = frozenset({"oe"})

    def is_right(self, answer: str, question: Question) -> bool:
        """Whether the words of an accepted text follow each other in it."""
        return any(says(answer, text, question.text) for text in question.accepted)


@register
class TokenF1(Comparison):
    """Right if the answer shares enough words with an accepted text, see `token_f1`."""

    name = "f1"
    version = 4
    formats = frozenset({"oe"})

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    @classmethod
    def make(cls, config: GraderConfig, cache: Path) -> Self:
        """With the threshold of the settings."""
        return cls(config.threshold)

    def settings(self) -> dict[str, Any]:
        """With the threshold."""
        return {**super().settings(), "threshold": self.threshold}

    def is_right(self, answer: str, question: Question) -> bool:
        """Whether the best F1 over the accepted texts reaches the threshold."""
        return max(token_f1(answer, text) for text in question.accepted) >= self.threshold
