"""What a sweep has made of each model's answers, as its report reads it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ccps.core.artifacts import Artifact
from ccps.needs.base import AnsweredQuestions
from ccps.perturbation import Grid
from ccps.stages.main.runs import ModelAnswers


class DirectionRun(NamedTuple):
    """What was made of one model's answers of one format along one direction.

    Attributes:
        direction: where the states were moved.
        features: of all strengths, training side first.
        scores: of the grid, then of the chosen and the paper's strength.
        grid: evaluation of the whole grid, cross-validation included.
        finals: evaluation of the chosen and the paper's strength.
        chosen: the strength that cross-validation prefers.
    """

    direction: str
    features: Sequence[Artifact]
    scores: Sequence[Artifact]
    grid: Artifact
    finals: Artifact
    chosen: Grid


class SweptFormat(NamedTuple):
    """Everything about one model's answers of one format."""

    answers: ModelAnswers
    train: AnsweredQuestions
    tests: Sequence[AnsweredQuestions]
    flips: Sequence[Artifact]
    directions: Sequence[DirectionRun]

    def artifacts(self) -> Iterator[Artifact]:
        """All artifacts in the order in which they were made."""
        yield self.answers.head
        for side in (self.train, *self.tests):
            yield from side.artifacts()
        yield from self.flips
        for run in self.directions:
            yield from (*run.features, *run.scores, run.grid, run.finals)
