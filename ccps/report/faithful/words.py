"""What a run says in sentences: is the wording more faithful than wording that knows nothing?"""

from collections.abc import Sequence

from ccps.analysis.faithful_data import FaithfulData
from ccps.analysis.faithful_scores import CONSTANT, RANDOM, EstimatorScore, above, scored, standing
from ccps.analysis.faithful_terms import label_of
from ccps.analysis.records import Estimate
from ccps.core.text import DASH, MINUS, decimal, listed
from ccps.report.kit.section import Section


def found_section(data: FaithfulData) -> Section | None:
    """A sentence for each estimator of each run; None where none has a score."""
    points = sentences(data)
    return Section("found", "What was found", [conclusion(data)], points=points) if points else None


def conclusion(data: FaithfulData) -> str:
    """The answer in a sentence: how many scores exceed the best constant, and how many chance."""
    found = scored(data)
    if not found:
        return "No trace has both decisiveness and a confidence, so no faithfulness could be scored."
    constant, random = (above(found, name) for name in (CONSTANT, RANDOM))
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


def _share(some: Sequence[EstimatorScore], found: Sequence[EstimatorScore]) -> str:
    """For instance "2 of 4 estimators (RCC and DeepConf)"."""
    estimators = "estimator" if len(found) == 1 else "estimators"
    names = f" ({listed([label_of(one.estimator) for one in some])})" if some else ""
    number = len(some) or ("none" if len(found) > 1 else 0)
    return f"{number} of {len(found)} {estimators}{names}"


def sentences(data: FaithfulData) -> list[str]:
    """A sentence for each estimator of each run."""
    return [sentence(one, several=len(data.cells) > 1) for one in scored(data)]


def sentence(one: EstimatorScore, *, several: bool) -> str:
    """Where a score stands, with the figures.

    Args:
        one: the score.
        several: whether the run has to be named.
    """
    name = f"{one.cell.heading}, {label_of(one.estimator)}" if several else label_of(one.estimator)
    if one.refused:
        return (
            f"{name}: no verdict. cMFG* is {fraction(one.score)}, but words that follow this confidence in every step "
            "would not have been told from words dealt out at random either."
        )
    return (
        f"{name}: cMFG* {fraction(one.score)} is {_against(one, CONSTANT, 'the best constant')}, and "
        f"{_against(one, RANDOM, 'the same words dealt out at random')}."
    )


def _against(one: EstimatorScore, baseline: str, words: str) -> str:
    excess = one.excess(baseline)
    text = f"{standing(excess).value} {words}, {fraction(one.baseline(baseline))}"
    return f"{text} (excess {fraction(excess, signed=True)})" if excess.known else text


def fraction(measured: Estimate, *, signed: bool = False) -> str:
    """A fraction with three digits and its interval, if it has one."""
    value, low, high = (_digits(end, signed) for end in measured[:3])
    return value if DASH in (low, high) else f"{value} [{low}, {high}]"


def _digits(value: float, signed: bool) -> str:
    text = decimal(value, 3)
    return text if not signed or text[0] in (MINUS, DASH) or float(text) == 0 else f"+{text}"
