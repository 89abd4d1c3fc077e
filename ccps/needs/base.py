"""The one interface of all that methods need of a language model beyond its answers, and all of it by name."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from ccps.asking.interview import Answer, Manner
from ccps.core.artifacts import Artifact
from ccps.core.registry import LAST, Registry
from ccps.data.records import Question
from ccps.llm import LanguageModel
from ccps.methods import Method, TrainedMethod
from ccps.perturbation import Head
from ccps.settings.experiment import Config

if TYPE_CHECKING:  # stages bring Lightning with them, which a scorer does without
    from ccps.pipeline.model import SharedModel
    from ccps.pipeline.stage import Stage


@dataclass(frozen=True)
class AnsweredQuestions:
    """Questions of one format, answered by one model and graded.

    Attributes:
        label: benchmark name, or that of the training questions.
        questions: what was asked.
        answers: artifact of the answer stage.
        grades: of the grade stage, by grader; the first one's labels decide.
    """

    label: str
    questions: Sequence[Question]
    answers: Artifact
    grades: Mapping[str, Artifact]

    @property
    def labels(self) -> Artifact:
        """The grades that decide."""
        return next(iter(self.grades.values()))

    @property
    def format(self) -> str:
        """Multiple choice ("mc") or open-ended ("oe")."""
        return self.questions[0].format

    def artifacts(self) -> Iterator[Artifact]:
        """All artifacts in the order in which they were made."""
        yield self.answers
        yield from self.grades.values()


class Respondent(NamedTuple):
    """A model that is asked, and how.

    Attributes:
        model: which a stage may load.
        head: artifact of its output head.
        manner: how questions are put.
        shard_questions: questions per shard.
    """

    model: "SharedModel"
    head: Artifact
    manner: Manner
    shard_questions: int


class Source(NamedTuple):
    """What a need is read back from.

    Attributes:
        answers: artifact of the answer stage.
        head: artifact of the model's output head.
        made: artifact of the need's own stage; None if it has none.
    """

    answers: Artifact
    head: Artifact
    made: Artifact | None = None

    @property
    def own(self) -> Artifact:
        """What the need's own stage has made, where there is one."""
        assert self.made is not None
        return self.made


class Given(NamedTuple):
    """Answers that a model has just given: what a need is made of where nothing is stored.

    Attributes:
        model: what answered.
        head: its output head, in float32 on the CPU.
        questions: what was asked.
        answers: of at least one token each.
    """

    model: LanguageModel
    head: Head
    questions: Sequence[Question]
    answers: Sequence[Answer]


class Need(ABC):
    """Something that methods read of a model beyond features and texts: how it comes about, and how it is read back.

    What has a `stage` of its own is made by that, on every side on which a method reads it. What has none stands in
    the artifact of the answer stage.

    Attributes:
        name: what methods call it in `needs`.
        place: where it stands in the order of work; those of lower number come first.
        stages: the stages that make it, in their order.
        is_collected: whether it is read after each answer, see `ccps.asking.follow_up`, so that the answer stage must
            know of it.
        is_tuned: whether the model itself learns from the training answers for it.
        formats: of the questions that it can be had for.
        is_portable: whether `of_given` makes it, so that methods which read it can be taken along as scorers.
    """

    name: ClassVar[str]
    place: ClassVar[int] = LAST
    stages: ClassVar[tuple[type["Stage"], ...]] = ()
    is_collected: ClassVar[bool] = False
    is_tuned: ClassVar[bool] = False
    formats: ClassVar[frozenset[str]] = frozenset({"mc", "oe"})
    is_portable: ClassVar[bool] = False

    def training(self, train: AnsweredQuestions, respondent: Respondent, config: Config) -> "Stage | None":
        """What must be learnt from the training side first, if anything."""
        return None

    def stage(
        self, answered: AnsweredQuestions, respondent: Respondent, config: Config, learnt: Artifact | None
    ) -> "Stage | None":
        """What makes it for one side, `learnt` being the artifact of `training`; None if the answers hold it."""
        return None

    @abstractmethod
    def read(self, source: Source, question_ids: Sequence[str]) -> Any:
        """Its value for some questions, in their order, as `Evidence.needs` holds it."""

    def of_given(self, given: Given) -> Any:
        """Its value for answers that have just been given, by the same arithmetic as `read`."""
        raise NotImplementedError

    def share_of_follow_up(self, answers: Artifact) -> float:
        """Of the tokens that are read after every answer, the share that must be read for it."""
        return 0.0


NEEDS = Registry[Need]("need", "ccps.needs", place=lambda need: need.place)
"""In the order in which they are made."""

N = TypeVar("N", bound=Need)


def register(need: type[N]) -> type[N]:
    """Add a need to `NEEDS`; a class decorator.

    Raises:
        ValueError: there is one of this name.
    """
    NEEDS.register(need.name, need())
    return need


def is_portable(method: Method | TrainedMethod) -> bool:
    """Whether a method can be taken along: it reads what one pass over question and answer gives, nothing sampled."""
    return (
        method.is_light
        and not method.is_control
        and all(need in NEEDS and NEEDS[need].is_portable for need in method.reads())
    )
