"""The report of faithfulness: what its figures register with, and how all of them look and are named."""

from matplotlib.figure import Figure as Canvas

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.core.text import slug
from ccps.estimators.base import ESTIMATORS
from ccps.report.kit.figure import Gap, Picture, picture
from ccps.report.kit.job import ReportJob
from ccps.report.kit.style import MethodStyle, method_styles

FAITHFUL: ReportJob[FaithfulData] = ReportJob("ccps.report.faithful")


def styles(cell: FaithfulCell) -> dict[str, MethodStyle]:
    """One style per estimator, the same in every run."""
    return method_styles([*ESTIMATORS, *(name for name in cell.estimators if name not in ESTIMATORS)])


def finish(cell: FaithfulCell, canvas: Canvas, kind: str, caption: str, alt: str) -> Picture:
    """The picture of one run."""
    return picture(canvas, cell.heading, f"{kind}-{slug(*cell.names)}", caption, alt)


def gap(cell: FaithfulCell, why: str) -> Gap:
    """Why there is no picture of one run."""
    return Gap(f"{cell.heading}: no figure: {why}.")
