"""The report of an experiment: what its figures register with, and how its settings are called."""

from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.report.kit.job import Job

MAIN: Job[Findings] = Job("ccps.report.main")


def heading_of(setting: Setting) -> str:
    """A setting as a heading."""
    return f"{setting.model} · {setting.benchmark}"
