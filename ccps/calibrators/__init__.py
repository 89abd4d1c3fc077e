"""Post-hoc calibrators: maps from the P(correct) of any method to a better calibrated one."""

from ccps.calibrators.calibrator import Calibrator, Kind, LogitMap, StepMap, finite_logit
from ccps.calibrators.fit import fit_calibrator
from ccps.calibrators.intercept import fit_intercepts

__all__ = ["Calibrator", "Kind", "LogitMap", "StepMap", "finite_logit", "fit_calibrator", "fit_intercepts"]
