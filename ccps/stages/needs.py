"""What methods read that takes the language model beyond its answers: who makes it, and how it is read back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ccps.artifacts import Artifact
from ccps.data.records import Question
from ccps.interview import Manner
from ccps.stages.config import Config
from ccps.stages.model import SharedModel
from ccps.stages.stage import Stage


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


@dataclass(frozen=True)
class Need:
    """One of the fields of `Evidence` that a stage of its own makes.

    Attributes:
        stage: what makes it for one side; it is also given the artifact of `training`.
        read: its value for some questions, in their order, out of the artifact.
        training: what must be learnt from the training side first, if anything.
    """

    stage: Callable[[Asked, Artifact | None], Stage]
    read: Callable[[Artifact, Sequence[str]], Any]
    training: Callable[[Asked], Stage] | None = None


NEEDS: Mapping[str, Need] = {}
"""By the field of `Evidence` that they fill."""
