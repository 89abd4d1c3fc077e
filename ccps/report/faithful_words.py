"""What a run says in sentences: is the wording more faithful than wording that knows nothing?"""

import math
from typing import NamedTuple

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.records import Estimate
from ccps.core.text import DASH, MINUS, decimal, listed
from ccps.report.faithful_terms import label_of

HEADLINE = "cmfg_star"
CONSTANT, RANDOM, DECISIVE = "best_constant", "permutation", "always_decisive"


class Scored(NamedTuple):
    """The headline score of an estimator in a run, beside its baselines."""

    cell: FaithfulCell
    estimator: str

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


def scored(data: FaithfulData) -> list[Scored]:
    """Every estimator of every run that has a score."""
    pairs = [Scored(cell, name) for cell in data.cells for name in cell.estimators]
    return [pair for pair in pairs if pair.score.known]


def standing(excess: Estimate) -> str:
    """How a score stands to a baseline, by the interval of its excess."""
    if not excess.known:
        return "not compared with"
    if math.isnan(excess.low) or math.isnan(excess.high):
        return "not told apart, for want of an interval, from"
    return "above" if excess.low > 0 else "below" if excess.high < 0 else "not told apart from"


def conclusion(data: FaithfulData) -> str:
    """The answer in a sentence: how many scores exceed the best constant, and how many chance."""
    found = scored(data)
    if not found:
        return "No trace has both decisiveness and a confidence, so no faithfulness could be scored."
    constant, random = (_above(found, name) for name in (CONSTANT, RANDOM))
    if len(data.cells) == 1:
        return (
            "The words are more faithful than one fixed degree of decisiveness would be by "
            f"{_share(constant, found)}, and than the same words dealt out at random by {_share(random, found)}."
        )
    return (
        f"Of {len(found)} scores ({len(data.estimators)} estimators, {len(data.cells)} runs), {len(constant)} are "
        f"above what one fixed degree of decisiveness would get, and {len(random)} above the same words dealt out at "
        "random."
    )


def _above(found: list[Scored], baseline: str) -> list[Scored]:
    return [one for one in found if standing(one.excess(baseline)) == "above"]


def _share(some: list[Scored], found: list[Scored]) -> str:
    """For instance "2 of 4 estimators (RCC and DeepConf)"."""
    estimators = "estimator" if len(found) == 1 else "estimators"
    names = f" ({listed([label_of(one.estimator) for one in some])})" if some else ""
    number = len(some) or ("none" if len(found) > 1 else 0)
    return f"{number} of {len(found)} {estimators}{names}"


def sentences(data: FaithfulData) -> list[str]:
    """A sentence for each estimator of each run."""
    return [sentence(one, several=len(data.cells) > 1) for one in scored(data)]


def sentence(one: Scored, *, several: bool) -> str:
    """Where a score stands, with the figures.

    Args:
        one: the score.
        several: whether the run has to be named.
    """
    name = f"{one.cell.heading}, {label_of(one.estimator)}" if several else label_of(one.estimator)
    return (
        f"{name}: cMFG* {fraction(one.score)} is {_against(one, CONSTANT, 'the best constant')}, and "
        f"{_against(one, RANDOM, 'the same words dealt out at random')}."
    )


def _against(one: Scored, baseline: str, words: str) -> str:
    excess = one.excess(baseline)
    text = f"{standing(excess)} {words}, {fraction(one.baseline(baseline))}"
    return f"{text} (excess {fraction(excess, signed=True)})" if excess.known else text


def fraction(measured: Estimate, *, signed: bool = False) -> str:
    """A fraction with three digits and its interval, if it has one."""
    value, low, high = (_digits(end, signed) for end in measured[:3])
    return value if DASH in (low, high) else f"{value} [{low}, {high}]"


def _digits(value: float, signed: bool) -> str:
    text = decimal(value, 3)
    return text if not signed or text[0] in (MINUS, DASH) or float(text) == 0 else f"+{text}"
