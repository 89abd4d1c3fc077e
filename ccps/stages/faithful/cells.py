"""The runs of an experiment, and what has been made of each: a model, a dataset, a prompt condition."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ccps.core.artifacts import Artifact
from ccps.data.records import Question
from ccps.estimators.base import TraceRun
from ccps.reasoning.jsonl import Content, LoadedTraces, glance
from ccps.reasoning.jsonl_choice import Choice
from ccps.reasoning.tasks import LoadedTask
from ccps.settings.faithful.condition import PromptCondition
from ccps.settings.faithful.run import FaithfulSettings
from ccps.settings.faithful.task import AnswerKind, TaskSpec
from ccps.settings.faithful.traces import TraceFile


class Place(NamedTuple):
    """Where traces come from, and how their answers are marked.

    Attributes:
        model: key of the model that wrote them.
        dataset: name of what they answer.
        prompt: name of the prompt condition.
        task: with its questions; None for traces made elsewhere.
        condition: what was said beside the task; None likewise.
        file: traces made elsewhere; None for traces of our own.
        choice: which traces of the file, and what of their steps.
        brings: what these traces bring beside their text.
    """

    model: str
    dataset: str
    prompt: str
    task: tuple[TaskSpec, LoadedTask] | None = None
    condition: PromptCondition | None = None
    file: TraceFile | None = None
    choice: Choice = Choice()
    brings: Content = Content()

    @property
    def label(self) -> str:
        """Dataset, prompt and model, for the lines that stages print."""
        return f"{self.dataset}, {self.prompt}, {self.model}"

    @property
    def questions(self) -> Sequence[Question]:
        """The questions, as far as they are known."""
        return self.task[1].questions if self.task else ()

    @property
    def kind(self) -> AnswerKind:
        """What an answer looks like; answers of traces made elsewhere are compared as mathematics."""
        return self.task[0].answer if self.task else "mathematics"  # type: ignore[return-value]


@dataclass
class RunCell:
    """What has been made of one place so far.

    Attributes:
        place: where its traces come from.
        run: the traces, and what estimators read.
        absent: estimators that are not to be had, and why.
        artifacts: everything that was made of it, for the record.
        together: whether it is several others taken together.
    """

    place: Place
    run: TraceRun
    absent: dict[str, str] = field(default_factory=dict)
    artifacts: list[Artifact] = field(default_factory=list)
    together: bool = False


def places(
    settings: FaithfulSettings, models: Sequence[str], tasks: Mapping[str, LoadedTask], rollouts: LoadedTraces | None
) -> list[Place]:
    """Every model with every dataset and prompt condition, every file of traces, and every model of the rollouts.

    Args:
        settings: datasets, conditions and files.
        models: keys of the models that are asked; none if traces come from files alone.
        tasks: the questions of each dataset.
        rollouts: traces with rollouts, looked through.
    """
    own = [
        Place(model, dataset, prompt, (spec, tasks[dataset]), condition)
        for model in models
        for dataset, spec in settings.dataset.items()
        for prompt, condition in settings.prompt.items()
    ]
    given = [
        Place(file.model, file.dataset, file.prompt, file=file, brings=glance(file.path))
        for file in settings.files.values()
    ]
    return [*own, *given, *(_places_of(rollouts, settings.rollouts.dataset) if rollouts else ())]


def _places_of(rollouts: LoadedTraces, dataset: str) -> Iterator[Place]:
    """A place for each model of the rollouts."""
    for model, content in rollouts.contents.items():
        file = TraceFile(str(rollouts.path), model or TraceFile.model, dataset)
        yield Place(
            file.model, dataset, file.prompt, file=file, choice=rollouts.choice._replace(model=model), brings=content
        )
