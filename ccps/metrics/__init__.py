"""Calibration and discrimination of confidences, with named conventions and intervals.

Everything is float64 and independent of the order of rows. A confidence is P(the answer is correct), a
fraction in [0, 1].
"""

from ccps.metrics.agreement import Agreement, agreement
from ccps.metrics.calibration import EceNoise, ReliabilityBins, ece, expected_ece_noise, reliability_bins
from ccps.metrics.constant import CONSTANT, hardly_varies, is_constant
from ccps.metrics.conventions import CONVENTIONS, Convention
from ccps.metrics.evaluate import Evaluation, evaluate
from ccps.metrics.intervals import bootstrap
from ccps.metrics.registry import CONTEST, METRICS, Metric, register
from ccps.metrics.resampling import Interval, clustered_bootstrap
from ccps.metrics.risk_coverage import RiskCoverage, risk_coverage
from ccps.metrics.thresholds import Threshold, choose_threshold, fewest_accepted, upper_bound

__all__ = [
    "CONSTANT",
    "CONTEST",
    "CONVENTIONS",
    "METRICS",
    "Agreement",
    "Convention",
    "EceNoise",
    "Evaluation",
    "Interval",
    "Metric",
    "ReliabilityBins",
    "RiskCoverage",
    "Threshold",
    "agreement",
    "bootstrap",
    "choose_threshold",
    "clustered_bootstrap",
    "ece",
    "evaluate",
    "expected_ece_noise",
    "fewest_accepted",
    "hardly_varies",
    "is_constant",
    "register",
    "reliability_bins",
    "risk_coverage",
    "upper_bound",
]
