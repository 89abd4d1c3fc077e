"""The features of an answer of any number of tokens as one row, for methods that read rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ccps.core.stored import read_json, write_json
from ccps.methods.base import TrainingAnswers, curve_table
from ccps.methods.evidence import Evidence, FloatArray
from ccps.perturbation import FEATURE_NAMES
from ccps.probes import FittedLogistic
from ccps.probes.preprocess import EvaluationRows, clean_for_evaluation, clean_for_training
from ccps.probes.ranked import FittedRanked
from ccps.settings.probe import NeverFlips

FORMAT_VERSION = 1
FILE = "answer_features.json"


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


class AnswerFeatures(NamedTuple):
    """How a row is made of the features of an answer.

    Attributes:
        radius: largest radius of the features, which stands for a prediction that never flips.
        several_tokens: whether there were answers of several tokens in training; features are then pooled. Otherwise
            those of the last token are read as they are.
    """

    radius: float
    several_tokens: bool

    def of(self, evidence: Evidence) -> FloatArray:
        """A row for each answer, `[answers, columns]`; values that are not finite are 0, as the probe has them."""
        return self._rows(self._clean(evidence).features, evidence.lengths)

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        """Values that are set to 0, by reason."""
        zeroed = self._clean(evidence).zeroed
        return {"set to 0": zeroed} if zeroed else {}

    def _clean(self, evidence: Evidence) -> EvaluationRows:
        return clean_for_evaluation(evidence.features, FEATURE_NAMES, self.radius, NeverFlips.strict)

    def _rows(self, features: FloatArray, lengths: NDArray[np.int64]) -> FloatArray:
        return pooled(features, lengths) if self.several_tokens else features[np.cumsum(lengths) - 1]


class TrainingFeatures(NamedTuple):
    """Rows to learn from, and what was left out of them.

    Attributes:
        columns: `[answers, columns]`, finite.
        correct: `[answers]`.
        question_ids: `[answers]`.
        made: how further rows are made.
        left_out: answers of which no token has finite features.
        dropped: reason → tokens left out.
    """

    columns: FloatArray
    correct: NDArray[np.bool_]
    question_ids: Sequence[str]
    made: AnswerFeatures
    left_out: int
    dropped: Mapping[str, int]

    @classmethod
    def of(cls, answers: TrainingAnswers, radius: float) -> "TrainingFeatures":
        """Make a row of each answer; tokens with a value that is not finite are left out, as the probe has it."""
        lengths = answers.evidence.lengths
        rows = clean_for_training(answers.evidence.features, FEATURE_NAMES, radius)
        finite: NDArray[np.int64] = np.add.reduceat(rows.kept.astype(np.int64), np.cumsum(lengths) - lengths)
        some = finite > 0
        made = AnswerFeatures(radius, bool((lengths > 1).any()))
        return cls(
            columns=made._rows(rows.features, finite[some]),
            correct=answers.correct[some],
            question_ids=[question for question, keep in zip(answers.question_ids, some, strict=True) if keep],
            made=made,
            left_out=int(np.count_nonzero(~some)),
            dropped=rows.dropped,
        )


@dataclass(frozen=True)
class FittedOnFeatures:
    """What reads a row of features for each answer."""

    probe: FittedLogistic | FittedRanked
    features: AnswerFeatures
    """How its rows are made."""
    left_out: int
    """Training answers of which no token had finite features."""
    dropped: Mapping[str, int]
    """Reason → tokens left out of training."""

    @property
    def parameters(self) -> int:
        """Numbers that training has set."""
        return self.probe.parameters

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) as the probe reads it; of a fit to single tokens, by the last token of an answer."""
        return self.probe.predict(self.features.of(evidence))

    def save(self, folder: Path) -> None:
        """Write the probe, and `answer_features.json`."""
        self.probe.save(folder)
        own = {**self.features._asdict(), "left_out": self.left_out, "dropped": self.dropped}
        write_json(folder / FILE, FORMAT_VERSION, own)

    @classmethod
    def load(cls, folder: Path, load: Callable[[Path], FittedLogistic | FittedRanked]) -> "FittedOnFeatures":
        """Read what `save` wrote, the probe by a function of its own.

        Raises:
            UserError: a file is missing, unreadable, or not what `save` writes.
        """
        keys = {"radius", "several_tokens", "left_out", "dropped"}
        own = read_json(folder / FILE, "how rows are made of features", FORMAT_VERSION, keys, "Fit it again.")
        return cls(load(folder), AnswerFeatures(own.pop("radius"), own.pop("several_tokens")), **own)

    def summary(self) -> Mapping[str, Any]:
        """Answers used, and tokens left out and why."""
        return {**self.probe.training.summary(), "left_out": self.left_out, "dropped": self.dropped}

    def curve(self) -> pd.DataFrame:
        """All validations, if it was trained step by step."""
        return curve_table(self.probe.training.curve)

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        """Values that are set to 0, by reason."""
        return self.features.notes(evidence)
