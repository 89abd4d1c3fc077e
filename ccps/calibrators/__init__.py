"""Post-hoc calibrators: maps from the P(correct) of any method to a better calibrated one."""

from ccps.calibrators.calibrator import Calibrator, Kind, LogitMap, StepMap
from ccps.calibrators.fit import fit_calibrator

__all__ = ["Calibrator", "Kind", "LogitMap", "StepMap", "fit_calibrator"]
