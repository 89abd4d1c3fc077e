"""The headline score of each estimator beside its baselines."""

import math
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from ccps.analysis.faithful_control import noticed
from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.records import Estimate
from ccps.analysis.support import FEWEST_OF_A_KIND, is_point

HEADLINE = "cmfg_star"
CONSTANT, RANDOM, DECISIVE = "best_constant", "permutation", "always_decisive"


class Excess(StrEnum):
    """How a score stands to a baseline, by the interval of its excess."""

    ABOVE = "above"
    BELOW = "below"
    LEVEL = "not told apart from"
    NO_INTERVAL = "not told apart, for want of an interval, from"
    TOO_FEW = "not told apart, from too few traces, from"
    POINT = "not told apart, as every resample gives one value, from"
    MISSING = "not compared with"


class EstimatorScore(NamedTuple):
    """The headline score of an estimator in a run, beside its baselines."""

    cell: FaithfulCell
    estimator: str

    @property
    def refused(self) -> bool:
        """Whether no verdict may rest on it: words that follow the confidence throughout would not be noticed."""
        return noticed(self.cell, self.estimator).refuses

    @property
    def score(self) -> Estimate:
        """The score."""
        return self.cell.measured(self.estimator, HEADLINE)

    def baseline(self, name: str) -> Estimate:
        """The score of wording that knows nothing."""
        return self.cell.measured(self.estimator, name)

    def excess(self, name: str) -> Estimate:
        """The score less that baseline."""
        return self.cell.measured(self.estimator, f"excess_{name}")


def scored(data: FaithfulData) -> list[EstimatorScore]:
    """Every estimator of every run that has a score."""
    pairs = [EstimatorScore(cell, name) for cell in data.cells for name in cell.estimators]
    return [pair for pair in pairs if pair.score.known]


def standing(excess: Estimate) -> Excess:
    """Read the interval of an excess, if enough traces stand behind it; whether those are right plays no part in it."""
    if not excess.known:
        return Excess.MISSING
    if math.isnan(excess.low) or math.isnan(excess.high):
        return Excess.NO_INTERVAL
    if excess.n < FEWEST_OF_A_KIND:
        return Excess.TOO_FEW
    if is_point(np.array([excess.low, excess.high])):
        return Excess.POINT
    return Excess.ABOVE if excess.low > 0 else Excess.BELOW if excess.high < 0 else Excess.LEVEL


def above(found: list[EstimatorScore], baseline: str) -> list[EstimatorScore]:
    """Those that are clearly above a baseline, and whose control says that this can be seen."""
    return [one for one in found if not one.refused and standing(one.excess(baseline)) is Excess.ABOVE]
