"""The report of a sweep: what its figures register with."""

from ccps.analysis.sweep_data import SweepData
from ccps.report.kit.job import Job

SWEEP: Job[SweepData] = Job("ccps.report.sweep")
