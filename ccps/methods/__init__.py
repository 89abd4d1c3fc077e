"""Confidence methods: one file each, one interface."""

from ccps.methods.base import Fitted, Method, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.evidence import Evidence
from ccps.methods.registry import METHODS, find_method, register

__all__ = [
    "METHODS",
    "Evidence",
    "Fitted",
    "Method",
    "TrainedMethod",
    "TrainingAnswers",
    "TrainingSettings",
    "find_method",
    "register",
]
