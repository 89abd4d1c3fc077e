from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from ccps.core.errors import expected
from ccps.core.stored import read_json, write_json
from ccps.methods.answer_probability import AnswerProbability
from ccps.methods.base import Fitted, Method, TrainingAnswers, TrainingSettings, no_curve
from ccps.methods.calibrated import Untrained
from ccps.methods.ccps import CCPS
from ccps.methods.entropy import Entropy
from ccps.methods.evidence import Evidence, FloatArray, Index
from ccps.methods.logistic import Regression
from ccps.methods.middle_logistic import MiddleLogistic
from ccps.methods.options import OptionProbability
from ccps.methods.p_true import PTrue
from ccps.methods.registry import METHODS, register
from ccps.probes import FittedLogistic, Reporting, fit_logistic

FORMAT_VERSION = 1
FILE = "stack.json"

NEAREST = 1e-6
"""Confidences are read as at least this far from 0 and 1: more is beyond what a softmax in float32 tells apart, and one
row with an enormous logit would decide the fit."""


@dataclass(frozen=True)
class FittedStack:
    """A regression on the logits of other methods, and what these have learnt."""

    regression: FittedLogistic
    bases: Mapping[str, Fitted]
    """By name, in the order of the regression's columns."""

    @property
    def parameters(self) -> int:
        """Numbers that training has set: the regression's own, and those of all bases."""
        return self.regression.parameters + sum(base.parameters for base in self.bases.values())

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) as the regression makes it of what the bases say."""
        return combined(self.regression, [base.p_correct(evidence) for base in self.bases.values()])

    def save(self, folder: Path) -> None:
        """Write the regression, `stack.json`, and what each base has learnt into a folder of its name."""
        self.regression.save(folder)
        for name, base in self.bases.items():
            base.save(folder / name)
        write_json(folder / FILE, FORMAT_VERSION, {"bases": list(self.bases)})

    def summary(self) -> Mapping[str, Any]:
        """Rows used, the strength, and the weight of each base: of its logit, in standard deviations of that."""
        weights = zip(self.bases, self.regression.weights, strict=True)
        return {**self.regression.training.summary(), **{f"weight of {name}": float(w) for name, w in weights}}

    def curve(self) -> pd.DataFrame:
        """There is none: the minimum is found, not approached."""
        return no_curve()

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        """Those of the bases."""
        return {name: value for base in self.bases.values() for name, value in base.notes(evidence).items()}


class Stacked(Regression):
    """Logistic regression on the logits of other methods, out of fold.

    Each base is fitted without each fold of the training questions and says of that fold what it thinks; the regression
    is fitted to the logits of that, and so learns how far each can be trusted where it has not been trained. On new
    answers it reads bases that were fitted to all training answers.

    Source: stacked generalisation, Wolpert 1992; of logits under an L2 penalty whose strength is chosen by
    cross-validation. Which signals is ours: those of the one pass that answers. Where a base says nothing of an answer,
    the mean of its logit over the training answers stands in. Settings: those of the bases.
    """

    reads_features = True

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Fit the regression to what the bases say out of fold.

        Raises:
            UserError: no base says anything.
        """
        told = self._told(answers)
        fitted = {name: answers.bases[name].fitted for name in told}
        return [FittedStack(self._regression(answers, told, settings), fitted)] * len(seeds)

    def out_of_fold(
        self,
        answers: TrainingAnswers,
        folds: Index,
        settings: TrainingSettings,
        seeds: Sequence[int],
        reporting: Reporting,
    ) -> FloatArray:
        """P(correct) of each answer by regressions on the other folds, `[seeds, answers]`; NaN where it has no fold.

        The bases' own confidences are out of fold already. Those of the other folds come from bases that have seen this
        one, so that a handful of weights has seen it too; the bases behind the fold's own confidences have not.
        """
        told = self._told(answers)
        p = np.full(len(folds), np.nan)
        for fold in range(folds.max() + 1):
            known, own = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            regression = self._regression(answers.select(known), told, settings)
            p[own] = combined(regression, [answers.bases[name].out_of_fold[own] for name in told])
        return np.tile(p, (len(seeds), 1))

    def load(self, folder: Path) -> Fitted:
        """Read the regression, and what the bases have learnt."""
        names = read_json(folder / FILE, "the bases of a stack", FORMAT_VERSION, {"bases"}, "Fit it again.")["bases"]
        return FittedStack(FittedLogistic.load(folder), {name: _load(name, folder / name) for name in names})

    def _told(self, answers: TrainingAnswers) -> list[str]:
        """The bases that say something of the answers."""
        told = [
            name for name in self.bases if name in answers.bases and np.isfinite(answers.bases[name].out_of_fold).any()
        ]
        if not told:
            what = f"what the bases of `{self.name}` say of the training answers"
            raise expected(what, "known for some of them", "nothing", "Leave this method out.")
        return told

    def _regression(self, answers: TrainingAnswers, told: Sequence[str], settings: TrainingSettings) -> FittedLogistic:
        columns = logits([answers.bases[name].out_of_fold for name in told])
        filled = np.where(np.isnan(columns), np.nanmean(columns, axis=0), columns)
        return fit_logistic(filled, answers.correct, answers.question_ids, self.recipe(settings))


def logits(p_correct: Sequence[FloatArray]) -> FloatArray:
    """Log-odds of several methods' P(correct), `[answers, methods]`; NaN where a method says nothing."""
    columns: FloatArray = logit(np.clip(np.stack(p_correct, axis=1), NEAREST, 1 - NEAREST))
    return columns


def combined(regression: FittedLogistic, p_correct: Sequence[FloatArray]) -> FloatArray:
    """P(correct) `[answers]` of a regression on what its bases say, in their order; for silence stands their mean."""
    columns = logits(p_correct)
    return regression.predict(np.where(np.isnan(columns), regression.scaler.mean, columns))


def _load(name: str, folder: Path) -> Fitted:
    method = METHODS.find(name)
    return Untrained(method) if isinstance(method, Method) else method.load(folder)


ONE_PASS = (CCPS, AnswerProbability, OptionProbability, Entropy, MiddleLogistic)
"""Signals of the pass that answers."""


@register
class Stack(Stacked):
    """All signals of the one pass that answers."""

    name = "stack"
    label = "Stack"
    place = 12
    source = "L2-logistic regression on out-of-fold logits of the signals of one pass"
    bases = tuple(base.name for base in ONE_PASS)
    needs = frozenset[str]().union(*(base.needs for base in ONE_PASS))


@register
class StackFull(Stacked):
    """All signals of the one pass, and what the model says when it is asked about its answer."""

    name = "stack_full"
    label = "Stack with P(True)"
    place = 13
    source = "L2-logistic regression on out-of-fold logits of the signals of one pass and of P(True)"
    bases = (*Stack.bases, PTrue.name)
    needs = Stack.needs | PTrue.needs
