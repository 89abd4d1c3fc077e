from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ccps.core.stored import read_json, write_json
from ccps.methods.base import Fitted, TrainedMethod, TrainingAnswers, TrainingSettings, no_curve
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register
from ccps.perturbation import FEATURE_NAMES
from ccps.probes import FittedLogistic, LogisticRecipe, Reporting, fit_logistic
from ccps.probes.preprocess import clean_for_evaluation, clean_for_training
from ccps.settings.probe import NeverFlips

FORMAT_VERSION = 1
FILE = "ccps_logistic.json"


def pooled(features: FloatArray, lengths: NDArray[np.int64]) -> FloatArray:
    """Features of whole answers, `[answers, 4 · features + 1]`: mean, least, largest, last, logarithm of the tokens.

    An answer of several tokens is right if each of them is, so that the weakest counts beside the mean; the last token
    ends the turn and sees the whole answer. The number of tokens is what none of these can tell.

    Args:
        features: `[tokens, features]`, answer by answer.
        lengths: `[answers]`, tokens of each, at least 1.
    """
    starts = np.cumsum(lengths) - lengths
    mean = np.add.reduceat(features, starts) / lengths[:, None]
    least, largest = np.minimum.reduceat(features, starts), np.maximum.reduceat(features, starts)
    last = features[starts + lengths - 1]
    return np.concatenate([mean, least, largest, last, np.log(lengths)[:, None]], axis=1)


@dataclass(frozen=True)
class FittedCCPSLogistic:
    """A logistic regression on the features of answers."""

    regression: FittedLogistic
    radius: float
    """Largest radius of the features, which stands for a prediction that never flips."""
    several_tokens: bool
    """Whether it was fitted to answers of several tokens, and so reads pooled features."""
    left_out: int
    """Training answers of which no token had finite features."""
    dropped: Mapping[str, int]
    """Reason → tokens left out of training."""

    @property
    def parameters(self) -> int:
        """Numbers that training has set."""
        return self.regression.parameters

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) as the regression reads it; of a fit to single tokens, by the last token of an answer."""
        return self.regression.predict(self.inputs(evidence))

    def inputs(self, evidence: Evidence) -> FloatArray:
        """What the regression reads, `[answers, columns]`; values that are not finite are 0, as the probe has them."""
        rows = clean_for_evaluation(evidence.features, FEATURE_NAMES, self.radius, NeverFlips.strict).features
        return _columns(rows, evidence.lengths, self.several_tokens)

    def save(self, folder: Path) -> None:
        """Write the regression, and `ccps_logistic.json`."""
        self.regression.save(folder)
        own = {name: value for name, value in vars(self).items() if name != "regression"}
        write_json(folder / FILE, FORMAT_VERSION, own)

    def summary(self) -> Mapping[str, Any]:
        """Answers used, and tokens left out and why."""
        return {**self.regression.training.summary(), "left_out": self.left_out, "dropped": self.dropped}

    def curve(self) -> pd.DataFrame:
        """There is none."""
        return no_curve()

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        """Values that are set to 0, by reason."""
        zeroed = clean_for_evaluation(evidence.features, FEATURE_NAMES, self.radius, NeverFlips.strict).zeroed
        return {"set to 0": zeroed} if zeroed else {}


@register
class CCPSLogistic(TrainedMethod):
    """Logistic regression on the stability features of CCPS, without its encoder.

    Source: features of arXiv 2505.21772; the regression in place of its probe is ours, as the simplest reader of the
    same numbers. A prediction that never flips has the largest radius; a token with any other value that is not finite
    is left out of training, and such a value is 0 afterwards, as the probe of CCPS has it. Of one token the 75 features
    are read, of several `pooled`. Settings: none; the strength is chosen by cross-validation.
    """

    name = "ccps_logistic"
    label = "Logistic on features"
    place = 15
    source = "L2-logistic regression on the 75 stability features of CCPS"
    reads_features = True
    is_seeded: ClassVar[bool] = False

    def recipe(self, settings: TrainingSettings) -> LogisticRecipe:
        """How the strength is chosen; nothing of it is set."""
        return LogisticRecipe()

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Fit once to whole answers."""
        lengths = answers.evidence.lengths
        rows = clean_for_training(answers.evidence.features, FEATURE_NAMES, settings.radius)
        finite: NDArray[np.int64] = np.add.reduceat(rows.kept.astype(np.int64), np.cumsum(lengths) - lengths)
        some, several = finite > 0, bool((lengths > 1).any())
        ids = [question for question, keep in zip(answers.question_ids, some, strict=True) if keep]
        columns = _columns(rows.features, finite[some], several)
        regression = fit_logistic(columns, answers.correct[some], ids, self.recipe(settings))
        left_out = int(np.count_nonzero(~some))
        return [FittedCCPSLogistic(regression, settings.radius, several, left_out, rows.dropped)] * len(seeds)

    def load(self, folder: Path) -> Fitted:
        """Read the regression, and how its columns are made."""
        keys = {"radius", "several_tokens", "left_out", "dropped"}
        own = read_json(folder / FILE, "how columns are made of features", FORMAT_VERSION, keys, "Fit it again.")
        return FittedCCPSLogistic(FittedLogistic.load(folder), **own)


def _columns(features: FloatArray, lengths: NDArray[np.int64], several_tokens: bool) -> FloatArray:
    return pooled(features, lengths) if several_tokens else features[np.cumsum(lengths) - 1]
