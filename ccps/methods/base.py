"""The one interface of all confidence methods."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.core.registry import LAST
from ccps.methods.evidence import Evidence, FloatArray
from ccps.perturbation import Direction
from ccps.probes import ProbeConfig, Reporting, StateProbeConfig
from ccps.probes.curve import CurvePoint
from ccps.settings.litcab import LitCabConfig


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
        litcab: the layer of LitCab.
    """

    probe: ProbeConfig
    state_probe: StateProbeConfig
    radius: float
    litcab: LitCabConfig = LitCabConfig()


class Fitted(Protocol):
    """What training has made of a method."""

    @property
    def parameters(self) -> int:
        """How many numbers were trained."""

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """Return P(correct) of each answer, `[answers]`."""

    def save(self, folder: Path) -> None:
        """Write it into a folder, without pickling."""

    def summary(self) -> Mapping[str, Any]:
        """Rows used, and those left out and why."""

    def curve(self) -> pd.DataFrame:
        """The training curve: columns stage, step, loss, accuracy."""

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        """What had to be set to another value, or was cut, to score this evidence."""


def curve_table(points: Sequence[CurvePoint]) -> pd.DataFrame:
    """Evaluations during training as rows: columns stage, step, loss, accuracy."""
    table = pd.DataFrame(point._asdict() for point in points)
    return table.rename(columns={"val_loss": "loss", "val_accuracy": "accuracy"})


def no_curve() -> pd.DataFrame:
    """The curve of what is not trained step by step: no rows."""
    kinds = {"stage": "str", "step": "int64", "train_loss": "float64", "loss": "float64", "accuracy": "float64"}
    return pd.DataFrame(columns=list(kinds)).astype(kinds)


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
    place: ClassVar[int] = LAST
    """Where it stands in lists of all methods: those of lower number come first."""
    direction: ClassVar[Direction] = "gradient"
    needs: ClassVar[frozenset[str]] = frozenset()
    """What it reads of the evidence beyond features and texts, names in `ccps.needs.base.NEEDS`."""
    reads_features: ClassVar[bool] = False
    """Whether it reads the features."""
    is_control: ClassVar[bool] = False
    """Whether it shows what chance or a part of a method would give, and is not to be used."""
    takes: ClassVar[str] = ""
    """What it takes that a small machine may not have, in words, for a report that says why it was left out."""

    def reads(self, *, for_training: bool = False) -> frozenset[str]:
        """All needs that it reads when it scores, or when it is trained."""
        return self.needs


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

    training_needs: ClassVar[frozenset[str]] = frozenset()
    """Needs that it reads when it is fitted, and not when it scores."""
    is_seeded: ClassVar[bool] = True
    """Whether a seed changes what it learns. If not, it is fitted once, and its scores have no seed."""

    def reads(self, *, for_training: bool = False) -> frozenset[str]:
        """All needs that it reads when it scores, or when it is trained."""
        return self.needs | self.training_needs if for_training else self.needs

    @abstractmethod
    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Learn from answers, once for each seed; a method that is not seeded is given one, which it does not read."""

    @abstractmethod
    def load(self, folder: Path) -> Fitted:
        """Read what `Fitted.save` wrote."""
