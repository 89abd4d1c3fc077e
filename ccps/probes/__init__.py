"""Probes that read stability features as the probability that an answer is correct."""

from ccps.probes.batched import ProbeTask, fit_probes
from ccps.probes.config import ProbeConfig
from ccps.probes.fitted import FittedProbe, TrainingRecord
from ccps.probes.state_config import StateProbeConfig
from ccps.probes.state_probe import FittedStateProbe, fit_state_probe
from ccps.probes.training import Reporting, fit_probe

__all__ = [
    "FittedProbe",
    "FittedStateProbe",
    "ProbeConfig",
    "ProbeTask",
    "Reporting",
    "StateProbeConfig",
    "TrainingRecord",
    "fit_probe",
    "fit_probes",
    "fit_state_probe",
]
