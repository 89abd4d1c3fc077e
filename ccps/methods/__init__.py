"""Confidence methods: one file each, one interface."""

from collections.abc import Mapping

from ccps.core.errors import expected
from ccps.methods.answer_probability import AnswerProbability
from ccps.methods.base import Evidence, Fitted, Method, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.calibrated import calibrated
from ccps.methods.calibration_tuning import CalibrationTuning
from ccps.methods.ccps import CCPS
from ccps.methods.controls import RandomDirections, ShuffledLabels
from ccps.methods.entropy import Entropy
from ccps.methods.instruction_tuning import InstructionTuning
from ccps.methods.litcab import LitCab
from ccps.methods.lts import LTS
from ccps.methods.p_ik import PIK
from ccps.methods.p_true import PTrue
from ccps.methods.saplma import SAPLMAFinal, SAPLMAMiddle, SAPLMAUpperMiddle
from ccps.methods.self_consistency import SelfConsistency
from ccps.methods.semantic_entropy import SemanticEntropy
from ccps.methods.sequence_probability import SequenceProbability
from ccps.methods.verbalised import Verbalised

METHODS: Mapping[str, Method | TrainedMethod] = {
    method.name: method
    for method in (
        CCPS(),
        PIK(),
        SAPLMAMiddle(),
        SAPLMAUpperMiddle(),
        SAPLMAFinal(),
        PTrue(),
        LTS(),
        InstructionTuning(),
        CalibrationTuning(),
        LitCab(),
        AnswerProbability(),
        SequenceProbability(),
        Entropy(),
        SelfConsistency(),
        SemanticEntropy(),
        Verbalised(),
        RandomDirections(),
        ShuffledLabels(),
    )
}


def find_method(name: str, calibrator: str | None = None) -> Method | TrainedMethod:
    """Look a method up by name, with a calibrator on top if one is named.

    Raises:
        UserError: there is no such method, or no such calibrator.
    """
    if name not in METHODS:
        raise expected("`method`", f"one of {', '.join(METHODS)}", repr(name), "Choose one of these.")
    return METHODS[name] if calibrator is None else calibrated(METHODS[name], calibrator)


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
