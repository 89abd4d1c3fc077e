"""Whether words that follow the confidence would have been noticed: the control that must succeed."""

import math
from typing import NamedTuple

from ccps.analysis.faithful_data import FaithfulCell
from ccps.reasoning.control import ENOUGH

EXACTLY, IN_PHRASES = "exactly", "by the lexicon’s phrases"


SAID_AGAIN = ("given_1-different", "sampling")
"""Estimators whose 1 − C is the share of times that something else is said, the first that there is in front."""


class Noticed(NamedTuple):
    """What the simulations of one estimator in a run say."""

    share: float
    """The least share of steps from which on nearly all simulations find what was planted; NaN if not even with all."""
    full: float
    """Mean excess over dealt-out words if the words of every step follow the confidence."""
    false: float
    """Share of the simulations in which words dealt out at random were taken for words that follow it."""
    known: bool = True
    """Whether anything was simulated."""

    @property
    def refuses(self) -> bool:
        """Whether no verdict may rest on these traces: what is there in full would not be seen."""
        return self.known and math.isnan(self.share)


def noticed(cell: FaithfulCell, estimator: str, planted: str = IN_PHRASES) -> Noticed:
    """The control of an estimator, by how words are planted."""
    rows = cell.control[(cell.control["estimator"] == estimator) & (cell.control["planted"] == planted)]
    if rows.empty:
        return Noticed(math.nan, math.nan, math.nan, known=False)
    ordered = rows.sort_values("share")
    rate = (ordered["found"] / ordered["of"]).to_numpy(float)
    shares = ordered["share"].to_numpy(float)
    least = math.nan
    for share, found in zip(shares[::-1], rate[::-1], strict=True):
        if found < ENOUGH or share == 0:
            break
        least = float(share)
    return Noticed(least, float(ordered["excess"].iloc[-1]), float(rate[0]))


def main_estimator(cell: FaithfulCell) -> str | None:
    """The one that the first sentence and figure are about; None if no estimator has a control."""
    simulated = [name for name in cell.estimators if noticed(cell, name).known]
    return next((name for name in (*SAID_AGAIN, *simulated) if name in simulated), None)
