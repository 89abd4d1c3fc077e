"""Graders of open-ended answers that ask nobody."""

from pathlib import Path
from typing import Any, Self

from ccps.data.records import Question
from ccps.grading.base import Comparison
from ccps.grading.containment import denies_only, same, says
from ccps.grading.forms import one_form
from ccps.grading.lists import lists_only
from ccps.grading.normalise import token_f1
from ccps.grading.registry import register
from ccps.grading.rivals import names_rivals
from ccps.settings.grading import GraderConfig


@register
class Normalised(Comparison):
    """Right if the answer is an accepted text, see `normalise` and `ccps.grading.forms`."""

    name = "normalised"
    version = 6
    formats = frozenset({"oe"})

    def is_right(self, answer: str, question: Question) -> bool:
        """Whether it equals an accepted text in normalised form."""
        return any(same(answer, text) for text in question.accepted)


@register
class Contains(Comparison):
    """Right if an accepted text stands in the answer, word for word; for models that answer in whole sentences.

    Source: `has_answer` of DPR (Karpukhin et al. 2020, arXiv 2004.04906), on the texts of `normalise`. Ours: lists,
    bounds, units, longer names, denials and retractions ("Paris is wrong") that hold the text and say something else,
    see `ccps.grading.containment`; and two things of one kind, of which one is asked for ("Earth, Mars"), see
    `ccps.grading.rivals`.
    """

    name = "contains"
    version = 10
    formats = frozenset({"oe"})

    def is_right(self, answer: str, question: Question) -> bool:
        """Whether the words of an accepted text follow each other in it."""
        accepted = question.accepted
        if len(accepted) > 1 and lists_only(answer, accepted):
            return True
        said = (text for text in accepted if says(answer, text, question.text))
        if not any(len(accepted) == 1 or not denies_only(answer, text, accepted, question.text) for text in said):
            return False
        return not names_rivals(answer, accepted, question.text) or any(same(answer, text) for text in accepted)


@register
class TokenF1(Comparison):
    """Right if the answer shares enough words with an accepted text, see `token_f1`."""

    name = "f1"
    version = 5
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
        ours = one_form(answer)
        return max(token_f1(ours, one_form(text)) for text in question.accepted) >= self.threshold
