"""What a stage that asks the language model more, once it has answered, gets to know."""

from collections.abc import Sequence
from typing import NamedTuple

from ccps.artifacts import Artifact
from ccps.data.records import Question
from ccps.interview import Manner
from ccps.stages.config import Config
from ccps.stages.model import SharedModel


class Asked(NamedTuple):
    """Questions that one model has answered.

    Attributes:
        label: benchmark name, or "train".
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
