"""Probes that read stability features as the probability that an answer is correct."""

from ccps.probes.batched import ProbeTask, fit_probe, fit_probes
from ccps.probes.collapse import LEAST_SPREAD, ONE_P, is_collapsed, spread
from ccps.probes.ensemble import ProbeEnsemble, load_probe
from ccps.probes.fitted import FittedProbe, TrainingRecord
from ccps.probes.logistic import FittedLogistic, LogisticRecipe, fit_logistic
from ccps.probes.reporting import Reporting
from ccps.probes.state_probe import FittedStateProbe, fit_state_probe, fit_state_probes
from ccps.settings.probe import ProbeConfig
from ccps.settings.state_probe import StateProbeConfig

__all__ = [
    "LEAST_SPREAD",
    "ONE_P",
    "FittedLogistic",
    "FittedProbe",
    "FittedStateProbe",
    "LogisticRecipe",
    "ProbeConfig",
    "ProbeEnsemble",
    "ProbeTask",
    "Reporting",
    "StateProbeConfig",
    "TrainingRecord",
    "fit_logistic",
    "fit_probe",
    "fit_probes",
    "fit_state_probe",
    "fit_state_probes",
    "is_collapsed",
    "load_probe",
    "spread",
]
