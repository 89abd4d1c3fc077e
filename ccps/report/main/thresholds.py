"""What a threshold on the chosen confidence buys, and which thresholds hold what they promise."""

import math

from ccps.analysis.answer import Answer, Kept, Tested
from ccps.analysis.certified import CONFIDENCE, Certified
from ccps.analysis.records import Estimate
from ccps.core.text import DASH, count, decimal, interval, percent
from ccps.report.kit.table import Cell, Row, Table

_SURE = f"{100 * CONFIDENCE:g} %"


def estimate_cell(estimate: Estimate) -> Cell:
    """A figure in percent over its interval; "constant" where it has no value."""
    return Cell(percent(estimate.value), ends(estimate)) if estimate.known else Cell("constant")


def ends(estimate: Estimate) -> str:
    """The interval alone."""
    return interval(estimate.low, estimate.high)


def certified_words(test: Tested) -> str:
    """The strictest promise that the questions of a test can certify, or why the laxest cannot be."""
    name = test.setting.benchmark
    promises = [one for one in test.certified if one.found.certified]
    if not promises:
        return f"On {name} no threshold is certified: {_lowered(test.certified[-1].found.reason)}"
    found = promises[0].found
    return (
        f"Answer only if P is at least {_threshold(promises[0])}, and at most {_risk(promises[0])} of the answers are "
        f"wrong, with {_SURE} confidence: {percent(found.coverage)} % of {name} is answered. Certified on its "
        f"{count(found.n)} questions, which fitted nothing."
    )


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _risk(one: Certified) -> str:
    return f"{100 * one.found.risk:g} %"


def _threshold(one: Certified) -> str:
    """Rounded up, so that what is printed accepts no more than what was certified."""
    return "none" if one.found.threshold is None else decimal(math.ceil(one.found.threshold * 1e4) / 1e4, 4)


def thresholds_table(answer: Answer) -> Table:
    """What thresholds keep on each test, then those that are certified."""
    rows: list[Row] = []
    for test in answer.tests:
        if len(answer.tests) > 1:
            rows.append(Row([f"{test.setting.benchmark}, {count(len(test.rows))} questions"], "group"))
        rows += map(_kept, test.kept)
        rows.append(Row([f"Certified with {_SURE} confidence"], "group"))
        rows += map(_promise, test.certified)
    head = ("P at least", "Answered", "Right, of those", "Answers")
    where = f", {answer.tests[0].setting.benchmark}" if len(answer.tests) == 1 else ""
    return Table(f"Answer only if P is at least …{where}", head, rows)


def _kept(kept: Kept) -> Row:
    what = "any" if kept.threshold == 0 else decimal(kept.threshold, 2).removesuffix("0")
    right = estimate_cell(kept.accuracy) if kept.n else Cell("none reaches it")
    return Row([what, Cell(percent(kept.coverage.value), ends(kept.coverage)), right, count(kept.n)])


def _promise(one: Certified) -> Row:
    """What is certified: the share of right answers is the bound, as the threshold was chosen by these very answers."""
    words = f"at most {_risk(one)} wrong"
    if not one.found.certified:
        return Row([Cell(_threshold(one), words), DASH, DASH, DASH])
    right = Cell(f"at least {percent(1 - one.found.bound)}")
    answered = Cell(percent(one.coverage.value), ends(one.coverage))
    return Row([Cell(_threshold(one), words), answered, right, count(one.found.accepted)])
