"""Methods that are a logistic regression on columns of numbers."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from ccps.methods.base import Fitted, TrainedMethod, TrainingAnswers, TrainingSettings, no_curve
from ccps.methods.evidence import Evidence, FloatArray
from ccps.probes import FittedLogistic, LogisticRecipe, Reporting, fit_logistic


@dataclass(frozen=True)
class FittedByLogistic:
    """A logistic regression as the pipeline uses it."""

    regression: FittedLogistic
    columns: Callable[[Evidence], FloatArray]
    """What it reads of the evidence, `[answers, columns]`."""

    @property
    def parameters(self) -> int:
        """Numbers that training has set."""
        return self.regression.parameters

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) as the regression reads it."""
        return self.regression.predict(self.columns(evidence))

    def save(self, folder: Path) -> None:
        """Write the regression."""
        self.regression.save(folder)

    def summary(self) -> Mapping[str, Any]:
        """Rows used, and the strength."""
        return self.regression.training.summary()

    def curve(self) -> pd.DataFrame:
        """There is none: the minimum is found, not approached."""
        return no_curve()

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        """Nothing is changed on the way."""
        return {}


class Regression(TrainedMethod):
    """A method that learns a logistic regression: once, as its loss has one minimum."""

    is_seeded: ClassVar[bool] = False

    def recipe(self, settings: TrainingSettings) -> LogisticRecipe:
        """How the strength is chosen; nothing of it is set."""
        return LogisticRecipe()


class LogisticMethod(Regression):
    """A logistic regression on columns that a subclass chooses."""

    @abstractmethod
    def columns(self, evidence: Evidence) -> FloatArray:
        """What is read of each answer, `[answers, columns]`, finite."""

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Fit once; the minimum is the same from everywhere."""
        columns = self.columns(answers.evidence)
        regression = fit_logistic(columns, answers.correct, answers.question_ids, self.recipe(settings))
        return [FittedByLogistic(regression, self.columns)] * len(seeds)

    def load(self, folder: Path) -> Fitted:
        """Read the regression."""
        return FittedByLogistic(FittedLogistic.load(folder), self.columns)
