"""Calibration and discrimination of confidences, with named conventions and intervals.

Everything is float64 and independent of the order of rows. A confidence is P(the answer is correct), a
fraction in [0, 1].
"""

from ccps.metrics.agreement import Agreement, agreement
from ccps.metrics.calibration import EceNoise, ReliabilityBins, ece, expected_ece_noise, reliability_bins
from ccps.metrics.conventions import CONVENTIONS, Convention
from ccps.metrics.discrimination import RiskCoverage, risk_coverage
from ccps.metrics.evaluate import METRICS, Evaluation, evaluate
from ccps.metrics.intervals import Difference, Interval, bootstrap, paired_difference

__all__ = [
    "CONVENTIONS",
    "METRICS",
    "Agreement",
    "Convention",
    "Difference",
    "EceNoise",
    "Evaluation",
    "Interval",
    "ReliabilityBins",
    "RiskCoverage",
    "agreement",
    "bootstrap",
    "ece",
    "evaluate",
    "expected_ece_noise",
    "paired_difference",
    "reliability_bins",
    "risk_coverage",
]
