"""Decisiveness by hedges and words of certainty; asks nobody."""

import math
from collections.abc import Sequence
from typing import Any, cast

from ccps.faithful import decisiveness
from ccps.faithful.deliberation import Deliberation
from ccps.faithful.lexicon import Aggregate
from ccps.faithful.markers import VERSION
from ccps.reasoning.decisiveness.base import (
    NO_WORDS,
    DecisivenessScorer,
    Opening,
    PlaceNames,
    StepDecisiveness,
    StepText,
    register,
)
from ccps.settings.faithful.decisiveness import DecisivenessConfig


@register
class LexiconScorer(DecisivenessScorer):
    """Goes by hedges and words of certainty, see `ccps.faithful.decisiveness`."""

    name = "lexicon"
    settings = frozenset({"aggregate", "deliberation"})

    def __init__(self, aggregate: Aggregate = "mean", *, deliberation: Deliberation = "none") -> None:
        self.aggregate: Aggregate = aggregate
        self.deliberation = deliberation

    @classmethod
    def inputs(cls, config: DecisivenessConfig, place: PlaceNames | None) -> dict[str, Any]:
        """The lexicon, and how it is read."""
        return {
            "version": VERSION,
            "aggregate": config.aggregate,
            "deliberation": config.deliberation,
        }

    @classmethod
    def open(cls, opening: Opening) -> "LexiconScorer":
        """Make it."""
        config = opening.config
        return cls(cast(Aggregate, config.aggregate), deliberation=cast(Deliberation, config.deliberation))

    def score(self, steps: Sequence[StepText]) -> list[StepDecisiveness]:
        """Score steps, each by itself; a text without a word has no score."""
        return [self._score(step.text) for step in steps]

    def _score(self, text: str) -> StepDecisiveness:
        found = decisiveness(text, aggregate=self.aggregate, deliberation=self.deliberation)
        markers = tuple(marker for sentence in found.sentences for marker in sentence.markers)
        return StepDecisiveness(found.score, NO_WORDS if math.isnan(found.score) else "", markers)
