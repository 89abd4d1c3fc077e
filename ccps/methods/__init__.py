"""Confidence methods: one file each, one interface."""

from ccps.methods.base import Evidence, Fitted, Method, TrainedMethod, TrainingAnswers, TrainingSettings
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
