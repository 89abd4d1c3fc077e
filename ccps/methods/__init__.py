"""Confidence methods: one file each, one interface."""

from collections.abc import Mapping

from ccps.errors import expected
from ccps.methods.answer_probability import AnswerProbability
from ccps.methods.base import Evidence, Fitted, Method, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.ccps import CCPS
from ccps.methods.controls import RandomDirections, ShuffledLabels
from ccps.methods.entropy import Entropy
from ccps.methods.p_ik import PIK
from ccps.methods.p_true import PTrue
from ccps.methods.sequence_probability import SequenceProbability

METHODS: Mapping[str, Method | TrainedMethod] = {
    method.name: method
    for method in (
        CCPS(),
        PIK(),
        PTrue(),
        AnswerProbability(),
        SequenceProbability(),
        Entropy(),
        RandomDirections(),
        ShuffledLabels(),
    )
}


def find_method(name: str) -> Method | TrainedMethod:
    """Look a method up by name.

    Raises:
        UserError: there is no such method.
    """
    if name not in METHODS:
        raise expected("`method`", f"one of {', '.join(METHODS)}", repr(name), "Choose one of these.")
    return METHODS[name]


__all__ = [
    "METHODS",
    "Evidence",
    "Fitted",
    "Method",
    "TrainedMethod",
    "TrainingAnswers",
    "TrainingSettings",
    "find_method",
]
