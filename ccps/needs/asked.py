"""Stages that ask the language model more, once it has answered, and what they get to know."""

from collections.abc import Sequence
from typing import NamedTuple

from ccps.asking.interview import Manner
from ccps.core.artifacts import Artifact
from ccps.data.records import Question
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Stage
from ccps.settings.experiment import Config


class Asked(NamedTuple):
    """Questions that one model has answered.

    Attributes:
        label: benchmark name, or that of the training questions.
        questions: what was asked.
        answers: artifact of the answer stage.
        grades: of the grader that decides.
        model: the model, which a stage may load.
        manner: how the questions were put.
        config: the experiment.
    """

    label: str
    questions: Sequence[Question]
    answers: Artifact
    grades: Artifact
    model: SharedModel
    manner: Manner
    config: Config


class AskedStage(Stage):
    """A stage that asks the model more about its answers, in shards of as many questions as those had.

    Args:
        asked: the answers.
    """

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self.about = asked
        self.questions = {question.id: question for question in asked.questions}
        self.shard_questions = asked.config.answering.shard_questions

    @property
    def title(self) -> str:
        """Benchmark and model."""
        return f"{self.about.label}, {self.about.model.name}"
