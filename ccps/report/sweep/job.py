"""The report of a sweep: what its figures register with."""

from ccps.analysis.sweep_data import SweepData
from ccps.report.kit.job import ReportJob

SWEEP: ReportJob[SweepData] = ReportJob("ccps.report.sweep")
