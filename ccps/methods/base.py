"""The one interface of all confidence methods."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.perturbation import FEATURE_NAMES, Direction
from ccps.probes import ProbeConfig, Reporting, StateProbeConfig
from ccps.probes.curve import CurvePoint

FloatArray = npt.NDArray[np.float64]


class Evidence(NamedTuple):
    """What the pipeline has computed about some answers.

    Attributes:
        features: `[tokens, 75]` stability features of every answer token, answer by answer, columns as in
            `FEATURE_NAMES`.
        lengths: `[answers]`, tokens of each answer, at least one.
        vocabulary: number of tokens of the language model.
        prompt_states: `[answers, d]` final-normed state of the last prompt token, which predicts the answer's first.
        self_evaluation: `[answers, 2]` logits of "no" and "yes" when the model is asked whether its answer is correct.
    """

    features: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64]
    vocabulary: int
    prompt_states: npt.NDArray[np.float32] | None = None
    self_evaluation: npt.NDArray[np.float32] | None = None

    def column(self, name: str) -> FloatArray:
        """One feature of every token, `[tokens]`."""
        return self.features[:, FEATURE_NAMES.index(name)].astype(np.float64)

    def total(self, name: str) -> FloatArray:
        """One feature, summed over the tokens of each answer, `[answers]`."""
        starts = np.cumsum(self.lengths) - self.lengths
        sums: FloatArray = np.add.reduceat(self.column(name), starts)
        return sums

    def mean(self, name: str) -> FloatArray:
        """One feature, averaged over the tokens of each answer, `[answers]`."""
        return self.total(name) / self.lengths


class TrainingAnswers(NamedTuple):
    """Answers that are known to be right or wrong.

    Attributes:
        evidence: what is known about each.
        correct: `[answers]` bool.
        question_ids: `[answers]`.
    """

    evidence: Evidence
    correct: npt.NDArray[np.bool_]
    question_ids: Sequence[str]


class TrainingSettings(NamedTuple):
    """How trained methods are trained.

    Attributes:
        probe: the probe of CCPS.
        state_probe: probes on hidden states.
        radius: largest perturbation radius.
    """

    probe: ProbeConfig
    state_probe: StateProbeConfig
    radius: float


class Fitted(Protocol):
    """What training has made of a method."""

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """Return P(correct) of each answer, `[answers]`."""

    def save(self, folder: Path) -> None:
        """Write it into a folder, without pickling."""

    def summary(self) -> Mapping[str, Any]:
        """Rows used, and those left out and why."""

    def curve(self) -> pd.DataFrame:
        """The training curve: columns stage, step, loss, accuracy."""

    def notes(self, evidence: Evidence) -> Mapping[str, int]:
        """What had to be set to another value, or was cut, to score this evidence."""


def curve_table(points: Sequence[CurvePoint]) -> pd.DataFrame:
    """Evaluations during training as rows: columns stage, step, loss, accuracy."""
    table = pd.DataFrame(point._asdict() for point in points)
    return table.rename(columns={"val_loss": "loss", "val_accuracy": "accuracy"})


class Described:
    """What every method says of itself.

    Every method states what it is (`label`), where it comes from (`source`) and which perturbed features it reads
    (`direction`); all return P(correct) in [0, 1], higher meaning more confident. A method raises `version` whenever it
    would give another result for the same evidence.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    source: ClassVar[str]
    version: ClassVar[int] = 1
    direction: ClassVar[Direction] = "gradient"
    needs: ClassVar[frozenset[str]] = frozenset()
    """Fields of `Evidence` beyond the features that it reads."""


class Method(Described, ABC):
    """A way to say how probable it is that an answer is correct, without training."""

    @abstractmethod
    def p_correct(self, evidence: Evidence) -> FloatArray:
        """Return P(correct) of each answer, `[answers]`."""


class TrainedMethod(Described, ABC):
    """A way to learn from answers that are known to be right or wrong how probable it is that another is correct."""

    @abstractmethod
    def recipe(self, settings: TrainingSettings) -> Any:
        """The part of the settings that decides the result, a dataclass."""

    @abstractmethod
    def fit(self, answers: TrainingAnswers, settings: TrainingSettings, seed: int, reporting: Reporting) -> Fitted:
        """Learn from answers."""

    @abstractmethod
    def load(self, folder: Path) -> Fitted:
        """Read what `Fitted.save` wrote."""
