"""The one interface of all confidence methods."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from ccps.core.registry import LAST
from ccps.llm import Head
from ccps.perturbation import FEATURE_NAMES, Direction
from ccps.probes import ProbeConfig, Reporting, StateProbeConfig
from ccps.probes.curve import CurvePoint
from ccps.settings.litcab import LitCabConfig

FloatArray = npt.NDArray[np.float64]


LAYERS = ("middle", "upper_middle", "final")
"""The layers of `Evidence.layer_states`: entries L//2, int(0.75 L) and L−1 of a model's hidden states, L its layers."""


class Samples(NamedTuple):
    """Answers drawn at random, some for each question.

    Attributes:
        texts: `[answers][k]`, in the words of the first that means the same, the given answer being the very first.
        log_probs: `[answers, k]`, log-probability of each sample under the model, summed over its tokens and the one
            that ends the turn, in nats.
    """

    texts: Sequence[Sequence[str]]
    log_probs: FloatArray


class AnswerStates(NamedTuple):
    """Final-normed states, what they predicted, and the head that reads them.

    Attributes:
        states: `[tokens, d]`, answer by answer.
        token_ids: `[tokens]`, the token that each state predicted.
        head: the model's output head.
    """

    states: Tensor
    token_ids: Tensor
    head: Head


class References(NamedTuple):
    """A right and a wrong answer to each question, read by the model.

    Attributes:
        right: states and tokens of the right ones.
        right_lengths: `[answers]`, tokens of each.
        wrong: states and tokens of the wrong ones.
        wrong_lengths: `[answers]`, tokens of each.
    """

    right: AnswerStates
    right_lengths: npt.NDArray[np.int64]
    wrong: AnswerStates
    wrong_lengths: npt.NDArray[np.int64]


class Evidence(NamedTuple):
    """What the pipeline has computed about some answers.

    Attributes:
        features: `[tokens, 75]` stability features of every answer token, answer by answer, columns as in
            `FEATURE_NAMES`.
        lengths: `[answers]`, tokens of each answer, at least one.
        vocabulary: number of tokens of the language model.
        texts: `[answers]`, the answers.
        prompt_states: `[answers, d]` final-normed state of the last prompt token, which predicts the answer's first.
        layer_states: `[answers, 3, d]` states of the last token of prompt and answer, what the chat template puts after
            the answer included, in the order of `LAYERS`.
        self_evaluation: `[answers, 2]` logits of "no" and "yes" when the model is asked whether its answer is correct.
        samples: further answers to the same questions.
        verbalised: `[answers]` P(correct) in words of the model's own, in [0, 1]; NaN where it named none.
        answer_states: final states of every answer token.
        references: right and wrong answers to the same questions; known for training questions only.
        instruction_tuned: `[answers, 2]` as `self_evaluation`, of the model after instruction tuning.
        calibration_tuned: `[answers, 2]` as `self_evaluation`, of the model after calibration tuning.
    """

    features: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64]
    vocabulary: int
    texts: Sequence[str] = ()
    prompt_states: npt.NDArray[np.float32] | None = None
    layer_states: npt.NDArray[np.float32] | None = None
    self_evaluation: npt.NDArray[np.float32] | None = None
    samples: Samples | None = None
    verbalised: FloatArray | None = None
    answer_states: AnswerStates | None = None
    references: References | None = None
    instruction_tuned: npt.NDArray[np.float32] | None = None
    calibration_tuned: npt.NDArray[np.float32] | None = None

    def read(self, need: str) -> Any:
        """One of the fields that are there only if a method needs them.

        Raises:
            ValueError: it is not there.
        """
        found = getattr(self, need)
        if found is None:
            raise ValueError(f"Expected `evidence.{need}` to be given, but got None. Name it in `needs` of the method.")
        return found

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
    place: ClassVar[int] = LAST
    """Where it stands in lists of all methods: those of lower number come first."""
    direction: ClassVar[Direction] = "gradient"
    needs: ClassVar[frozenset[str]] = frozenset()
    """Fields of `Evidence` beyond features and texts that it reads."""
    reads_features: ClassVar[bool] = False
    """Whether it reads the features."""
    is_control: ClassVar[bool] = False
    """Whether it shows what chance or a part of a method would give, and is not to be used."""
    takes: ClassVar[str] = ""
    """What it takes that a small machine may not have, in words, for a report that says why it was left out."""


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
    """Fields that it reads when it is fitted, and not when it scores."""

    @abstractmethod
    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Learn from answers, once for each seed."""

    @abstractmethod
    def load(self, folder: Path) -> Fitted:
        """Read what `Fitted.save` wrote."""
