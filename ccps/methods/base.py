"""The one interface of all confidence methods."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.core.registry import LAST
from ccps.methods.evidence import Evidence, FloatArray, Index
from ccps.perturbation import Direction
from ccps.probes import ProbeConfig, Reporting, StateProbeConfig
from ccps.probes.curve import CurvePoint
from ccps.settings.litcab import LitCabConfig

ALL_SEEDS = -1
"""In the place of a seed: what was learnt from all of them together."""

ALL_SEEDS_IN_WORDS = "all"
"""How a table writes it."""


class Base(NamedTuple):
    """A method that another is built on.

    Attributes:
        out_of_fold: P(correct) of each training answer by a fit that has not seen its question, `[answers]`; NaN where
            the method says nothing.
        fitted: what it has learnt from all of them.
    """

    out_of_fold: FloatArray
    fitted: "Fitted"


class TrainingAnswers(NamedTuple):
    """Answers that are known to be right or wrong.

    Attributes:
        evidence: what is known about each.
        correct: `[answers]` bool.
        question_ids: `[answers]`.
        bases: the methods that the one to be trained is built on, by name.
    """

    evidence: Evidence
    correct: npt.NDArray[np.bool_]
    question_ids: Sequence[str]
    bases: Mapping[str, Base] = MappingProxyType({})

    def select(self, index: Index) -> "TrainingAnswers":
        """Take some answers, in the order of the index.

        Args:
            index: numbers of the answers that are wanted, counted from 0.
        """
        return TrainingAnswers(
            evidence=self.evidence.select(index),
            correct=self.correct[index],
            question_ids=[self.question_ids[number] for number in index],
            bases={name: base._replace(out_of_fold=base.out_of_fold[index]) for name, base in self.bases.items()},
        )


class TrainingSettings(NamedTuple):
    """How trained methods are trained.

    Attributes:
        probe: the probe of CCPS.
        state_probe: probes on hidden states.
        radius: largest perturbation radius.
        litcab: the layer of LitCab.
        paper_probe: the probe of CCPS as in the paper, whatever `probe` is; None for what `probe` is.
    """

    probe: ProbeConfig
    state_probe: StateProbeConfig
    radius: float
    litcab: LitCabConfig = LitCabConfig()
    paper_probe: ProbeConfig | None = None


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
    """Evaluations during training as rows: columns stage, step, loss, accuracy; none where there are no steps."""
    if not points:
        return no_curve()
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
    formats: ClassVar[frozenset[str]] = frozenset({"mc", "oe"})
    """Of which questions it can score answers: multiple choice ("mc"), open-ended ("oe")."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """What it reads of the evidence beyond features and texts, names in `ccps.needs.base.NEEDS`."""
    reads_features: ClassVar[bool] = False
    """Whether it reads the features."""
    is_control: ClassVar[bool] = False
    """Whether it shows what chance or a part of a method would give, and is not to be used."""
    is_probability: ClassVar[bool] = False
    """Of what learns nothing: whether its P(correct) is a probability as it is, and not a score brought into [0, 1]."""
    is_light: ClassVar[bool] = True
    """Whether it is small enough to be fitted again without each fold, and to be taken along."""
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

    def averages(self, settings: TrainingSettings) -> bool:
        """Whether `fit` makes one of all seeds as well, which is then what is reported and given away."""
        return False

    training_needs: ClassVar[frozenset[str]] = frozenset()
    """Needs that it reads when it is fitted, and not when it scores."""
    is_seeded: ClassVar[bool] = True
    """Whether a seed changes what it learns. If not, it is fitted once, and its scores have no seed."""
    bases: ClassVar[tuple[str, ...]] = ()
    """Names of methods that it is built on: it is fitted to what they say out of fold."""

    def reads(self, *, for_training: bool = False) -> frozenset[str]:
        """All needs that it reads when it scores, or when it is trained."""
        return self.needs | self.training_needs if for_training else self.needs

    @abstractmethod
    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Learn from answers, once for each seed; a method that is not seeded is given one, which it does not read.

        Where the method `averages`, what stands for all seeds comes first.
        """

    def fit_parts(
        self,
        parts: Sequence[TrainingAnswers],
        settings: TrainingSettings,
        seeds: Sequence[int],
        reporting: Reporting,
    ) -> list[list[Fitted]]:
        """Learn from each of several parts of the answers alone; by part, then as `fit`."""
        return [self.fit(part, settings, seeds, reporting) for part in parts]

    def out_of_fold(
        self,
        answers: TrainingAnswers,
        folds: Index,
        settings: TrainingSettings,
        seeds: Sequence[int],
        reporting: Reporting,
    ) -> FloatArray:
        """P(correct) of each answer by fits to the other folds, `[seeds, answers]`; as in `fit`, all seeds come first.

        Args:
            answers: all of them.
            folds: fold of each answer, `[answers]`, from 0.
            settings: how the method is trained.
            seeds: it is fitted from each.
            reporting: hears of the training.
        """
        p = np.empty((len(seeds) + self.averages(settings), len(folds)))
        held = [np.flatnonzero(folds == fold) for fold in range(folds.max() + 1)]
        parts = [answers.select(np.flatnonzero(folds != fold)) for fold in range(len(held))]
        for own, fits in zip(held, self.fit_parts(parts, settings, seeds, reporting), strict=True):
            evidence = answers.evidence.select(own)
            p[:, own] = [fitted.p_correct(evidence) for fitted in fits]
        return p

    @abstractmethod
    def load(self, folder: Path) -> Fitted:
        """Read what `Fitted.save` wrote."""
