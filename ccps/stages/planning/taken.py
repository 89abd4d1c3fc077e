"""What a stage takes, each kind of stage by a function of its own: register one for a stage of yours.

    @taken.register
    def _(stage: MyStage, known: Known) -> Taken:
        return Taken("my_model", "my_benchmark", host_seconds=3.0)

A stage that nobody registered stands in the plan without hours, and is counted among what is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import NamedTuple

from ccps.core.artifacts import Artifact
from ccps.llm.chat import PromptMode
from ccps.pipeline.stage import Run, Stage
from ccps.plan.shape import ModelShape
from ccps.plan.work import Amount, Work
from ccps.settings.plan import PlanConfig
from ccps.stages.planning.lengths import Lengths, Messages, lengths_of
from ccps.stages.planning.subject import NO_SIZES, Subject

QUESTIONS_OF = "questions of "
HOST_BYTES = 1.0e9
"""Of a process with torch, Lightning and transformers imported, before it holds anything."""
_ROW_BYTES = 100
"""Of a stored row of a few columns: a name and some numbers, compressed."""


@dataclass(frozen=True)
class Taken:
    """What one stage takes.

    Attributes:
        model: key of the model; empty where it is about several.
        benchmark: what is asked, or trained on; empty likewise.
        tokens: that a model reads or writes, or whose features are taken; padding and what all begin with left out.
        work: of the device.
        host_seconds: of the CPU beside it, whatever the device.
        disk: bytes that are stored.
        memory: bytes held at once on the device.
        assumed: what was assumed, in words.
        is_known: whether anybody has said what this stage takes.
    """

    model: str = ""
    benchmark: str = ""
    tokens: float = 0.0
    work: Work = field(default_factory=Work)
    host_seconds: float = 0.0
    disk: float = 0.0
    memory: float = 0.0
    assumed: tuple[str, ...] = ()
    is_known: bool = True


class Texts(NamedTuple):
    """What a model has answered or will answer, as those stages read it that come after.

    Attributes:
        model: key of the model.
        label: benchmark, or dataset and prompt.
        asked: tokens of the prompts.
        tokens: of all answers or traces together.
        form: "mc", "oe", "trace" or "continuations".
        assumed: what was assumed, in words.
    """

    model: str
    label: str
    asked: Lengths
    tokens: float
    form: str
    assumed: tuple[str, ...]

    @property
    def n(self) -> float:
        """How many there are."""
        return self.asked.n

    @property
    def each(self) -> float:
        """Tokens of one."""
        return self.tokens / max(1.0, self.n)


@dataclass
class Known:
    """What is known when a stage is looked at.

    Attributes:
        subjects: the models, by their keys.
        settings: of the plan.
        run: where artifacts lie.
        assumed: names of benchmarks that could not be had.
        texts: answers and traces by the key of their artifact, as far as the stages before make them.
        graded: the answers that were graded, by the key of the grades.
    """

    subjects: Mapping[str, Subject]
    settings: PlanConfig
    run: Run
    assumed: Sequence[str] = ()
    texts: dict[str, Texts] = field(default_factory=dict)
    graded: dict[str, Texts] = field(default_factory=dict)

    def lengths(self, subject: Subject, conversations: Sequence[Messages], mode: PromptMode = "strict") -> Lengths:
        """Tokens of conversations, as often as the plan is made for."""
        found = lengths_of(subject, conversations, mode)
        return found._replace(each=found.each * self.settings.times)

    def shape(self, model: str) -> ModelShape | None:
        """The sizes of a model."""
        return self.subjects[model].shape

    def artifact(self, stage: Stage) -> Artifact:
        """What a stage fills."""
        return stage.artifact(self.run)

    def of(self, artifact: Artifact) -> Texts:
        """What an artifact of answers or traces holds, or will hold."""
        return self.texts[artifact.key]

    def why_assumed(self, subject: Subject, sources: Sequence[str] = ()) -> tuple[str, ...]:
        """What is assumed of a model, and of questions from some benchmarks."""
        absent = [f"{QUESTIONS_OF}{name}" for name in dict.fromkeys(sources) if name in self.assumed]
        return (*subject.assumed, *absent)


@singledispatch
def taken(stage: Stage, known: Known) -> Taken:
    """What a stage takes; nothing is known of one that has no function here."""
    return Taken(is_known=False)


def without_sizes(model: str, benchmark: str) -> Taken:
    """What there is to say of a model whose sizes are not known."""
    return Taken(model, benchmark, assumed=(NO_SIZES,), is_known=False)


def model_bytes(shape: ModelShape, amount: Amount) -> float:
    """What a model holds while it works: weights, its head once more, a batch between two layers, and its cache."""
    head = shape.vocabulary * shape.width * shape.item
    between = shape.item * (8 * shape.width + 3 * shape.feed_forward)
    return shape.bytes + head + amount.most * between + amount.held * shape.cache_bytes


def rows_bytes(rows: float) -> float:
    """What rows of a few columns take on disk."""
    return _ROW_BYTES * rows
