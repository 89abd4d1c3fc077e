"""Probes that read stability features as the probability that an answer is correct."""

from ccps.probes.config import ProbeConfig
from ccps.probes.fitted import FittedProbe, TrainingRecord
from ccps.probes.training import Reporting, fit_probe

__all__ = ["FittedProbe", "ProbeConfig", "Reporting", "TrainingRecord", "fit_probe"]
