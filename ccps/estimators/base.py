"""What every estimator of confidence says of itself: what it reads, who makes that, and how its figures are named.

An estimator is a file in this folder (or anybody's own module): a subclass of `Estimator` under `register`. The
pipeline, the tables, the checks of settings and the report go by `ESTIMATORS`; nothing else lists them.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import torch

from ccps.core.artifacts import Artifact
from ccps.core.registry import Registry
from ccps.core.settings import typed
from ccps.faithful import Step, TraceRule
from ccps.llm import ModelFiles
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Stage
from ccps.reasoning.measures import Measure
from ccps.reasoning.stored_traces import StoredTrace
from ccps.reasoning.trace import Segmentation
from ccps.settings.faithful.run import FaithfulSettings

NO_MODEL = "the model that wrote the traces is not among `model`"


class StepScores(NamedTuple):
    """Confidence of the steps of one trace.

    Attributes:
        confidence: `[steps]` in [0, 1], higher being more confident; NaN where missing.
        reason: why any is missing, in a few words; empty if none is.
        noted: what else there is to count, by name.
    """

    confidence: FloatArray
    reason: str = ""
    noted: Mapping[str, int] = MappingProxyType({})


def missing(steps: Sequence[Step], reason: str) -> StepScores:
    """No confidence at all, and why."""
    return StepScores(np.full(len(steps), math.nan), reason)


class Kept(NamedTuple):
    """What must be kept of every token when the model reads its traces.

    Attributes:
        alternatives: of how many of the likeliest tokens the log-probability.
        states: which, of those that `TokenStates` names; a thousand traces of some length take gigabytes.
        measures: numbers that are made of the states while the trace is read, in their place.
    """

    alternatives: int = 0
    states: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()


@dataclass
class TraceRun:
    """The traces of one model on one dataset under one prompt condition, and what has been made of them so far.

    Attributes:
        label: dataset, prompt and model, for the lines that stages print.
        traces: the texts.
        model: what wrote them; None if it is not to be had.
        readings: what was read off their tokens; None without a model.
        made: what estimators' own stages left, by the stage's name.
        alternatives: whether the traces bring with them what was said in the place of their steps.
        scores: the scores of steps that they bring.
    """

    label: str
    traces: Artifact
    model: SharedModel | None = None
    readings: Artifact | None = None
    made: dict[str, Artifact] = field(default_factory=dict)
    alternatives: bool = False
    scores: Sequence[str] = ()


class OwnStage(NamedTuple):
    """A stage that no one but an estimator needs.

    Attributes:
        stage: its class.
        make: makes it for an estimator and a run; None where the run does not need it.
        reads_layers: whether it needs the model's layers, and so is run while these are loaded.
        left_out: what the reasons in its summary are reasons for ("continuations"); empty if it gives none.
        note: what a reader must know of its summary; empty if nothing.
    """

    stage: type[Stage]
    make: Callable[[Any, TraceRun], Stage | None]
    reads_layers: bool = False
    left_out: str = ""
    note: Callable[[Mapping[str, Any]], str] = lambda summary: ""

    @property
    def name(self) -> str:
        """The name of the stage."""
        return self.stage.name


class Estimator(ABC):
    """Reads the confidence of steps off traces.

    Args:
        faithful: settings of the run.
        segmentation: how traces are cut into steps.
        replies: folder in which replies of an endpoint are kept.
    """

    name: ClassVar[str]
    """In settings, columns and files."""
    label: ClassVar[str]
    """As readers see it."""
    description: ClassVar[str]
    """Source, direction and range, for the glossary."""
    released_rule: ClassVar[TraceRule] = TraceRule()
    """How the released code makes one confidence of a trace from those of its steps, see `ccps.faithful.TraceRule`.
    Where that is the last one, tables have the last one of each trace in `strict` mode too."""
    reads_tokens: ClassVar[bool] = True
    """Whether a trace must have token ids that fit its text."""
    reads_answer: ClassVar[bool] = False
    """Whether the final answer is read too, like a step of its own: column `answer_<name>` of the traces."""
    needs_model: ClassVar[bool] = True
    """Whether the model that wrote the traces must be at hand."""
    has_kinds: ClassVar[bool] = False
    """Whether it stands for several measures, so that tables say beside its label which one (`behind`)."""
    settings: ClassVar[type[Any] | None] = None
    """Dataclass of the settings under `faithful.own.<name>`, of one that `FaithfulSettings` has no field for."""
    stages: ClassVar[Sequence[OwnStage]] = ()
    """What it needs made of a run that nobody else needs, in this order."""

    def __init__(self, faithful: FaithfulSettings, segmentation: Segmentation, replies: Path) -> None:
        self.faithful = faithful
        self.segmentation = segmentation
        self.replies = replies
        self.own = self.read_settings(faithful)

    @classmethod
    def read_settings(cls, faithful: FaithfulSettings) -> Any:
        """Its `settings`, checked; None if it has none.

        Raises:
            SettingsError: naming every fault.
        """
        return (
            None
            if cls.settings is None
            else typed(faithful.own.get(cls.name, {}), cls.settings, name=f"faithful.own.{cls.name}")
        )

    @classmethod
    def open(cls, faithful: FaithfulSettings, segmentation: Segmentation, replies: Path) -> "Estimator":
        """The estimator for some settings; arguments as of the class."""
        return cls(faithful, segmentation, replies)

    @property
    def kept(self) -> Kept:
        """What must be kept of every token."""
        return Kept()

    @property
    def states(self) -> tuple[str, ...]:
        """Which states `score` reads."""
        return self.kept.states

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of the measures whose numbers `score` reads."""
        return tuple(one.name for one in self.kept.measures)

    @property
    def in_words(self) -> str:
        """Its settings, for the head of the page; empty if there is nothing to say."""
        return ""

    @property
    def behind(self) -> str:
        """What stands behind its figures in this run: a judge, a probe; empty if there is nothing to say."""
        return ""

    @property
    def keeps_model(self) -> bool:
        """Whether a stage of its own asks the model again when all else that needs its layers is done."""
        return False

    def check(self, files: ModelFiles) -> None:  # noqa: B027 (some need nothing)
        """Look for all it will need of files, before any model has worked for hours.

        Raises:
            UserError: something is not to be had.
        """

    def obstacle(self, run: TraceRun) -> str:
        """Why it is not to be had of a run; empty if it is."""
        return NO_MODEL if self.needs_model and run.model is None else ""

    @abstractmethod
    def inputs(self, run: TraceRun) -> Mapping[str, Any]:
        """What determines its result beside the traces and their readings."""

    def prepare(self, run: TraceRun, device: torch.device) -> None:  # noqa: B027 (some need nothing)
        """Load what it needs to score the traces of a run."""

    @abstractmethod
    def score(self, stored: StoredTrace, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """Confidence of every step of a trace of the run that was prepared.

        Args:
            stored: the trace, with the states and numbers that it reads.
            steps: of the trace.
            tokens: the generated tokens of each step; none at all if they are not known and it can do without.
        """

    def release(self) -> None:  # noqa: B027 (some hold nothing)
        """Free the memory it has taken for the runs of one model."""


ESTIMATORS: Registry[type[Estimator]] = Registry("estimator", "ccps.estimators")
"""By name."""

E = TypeVar("E", bound=type[Estimator])


def register(estimator: E) -> E:
    """Add an estimator to `ESTIMATORS`; a class decorator.

    Raises:
        ValueError: there is one of this name.
    """
    ESTIMATORS.register(estimator.name, estimator)
    return estimator


def released_rules() -> dict[str, TraceRule]:
    """What the released code of arXiv 2606.03969 does with the step confidences of each estimator."""
    return {name: estimator.released_rule for name, estimator in ESTIMATORS.items()}
