"""A small hand-made experiment: two methods, two subjects, two seeds of the reference."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import pandas as pd

    from ccps.analysis.data import ReportData


@pytest.fixture
def differences() -> "Callable[..., pd.DataFrame]":
    """Rows (metric, other, value, ci_low, ci_high) as a table of differences ccps − other."""
    from report_tables import differences_frame

    return differences_frame


@pytest.fixture(scope="session")
def make_data() -> "Callable[..., ReportData]":
    """A complete report, any field replaced."""
    from report_tables import report_data

    return report_data


@pytest.fixture(scope="session")
def agreement() -> "Callable[..., pd.DataFrame]":
    """A table of one pair of graders, any column replaced."""
    from report_tables import agreement_frame

    return agreement_frame


@pytest.fixture(scope="session")
def disagreements() -> "Callable[..., pd.DataFrame]":
    """A table of disagreements from what is particular to each."""
    from report_tables import disagreement_frame

    return disagreement_frame
