"""Judging by the last number of each text."""

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ccps.llm import ModelFiles
from ccps.reasoning.judges.base import ConsistencyJudge, Opening, Pair, StepVerdict, register
from ccps.settings.faithful.judge import JudgeChoice

NO_NUMBER = "a step without a number"

# Raise it if a verdict would be another one.
_VERSION = 1

_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*([0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}")
# A number that stands by itself: no exponent, index, coefficient ("2x") or part of a word. Python converts no more than
# some thousand digits.
_NUMBER = re.compile(
    r"(?<![\w.^])(?<![\^_]\{)(?<![\^_]\{-)"
    r"(?P<sign>-?)(?P<value>(?:[0-9]{1,3}(?:,[0-9]{3}){1,99}|[0-9]{1,300})(?:\.[0-9]{1,300})?|\.[0-9]{1,300})"
    r"(?:/(?P<below>0*[1-9][0-9]{0,299}))?(?![\w^])"
)


@register
class NumericJudge(ConsistencyJudge):
    """0 if the last number of a continuation is that of the step, by value, else 1.

    A step without a number is missing, for there is nothing to confirm; a continuation without one does not confirm
    the step's, so it is 1. Says nothing of what the numbers are of.
    """

    name = "numeric"
    in_words = "the last number in each"

    @classmethod
    def inputs(cls, choice: JudgeChoice, under_study: ModelFiles | None) -> dict[str, Any]:
        """Nothing but itself."""
        return {"version": _VERSION}

    @classmethod
    def open(cls, opening: Opening) -> "NumericJudge":
        """Make it."""
        return cls(opening.mode)

    def judge_distinct(self, pairs: Sequence[Pair]) -> list[StepVerdict]:
        """Compare the last numbers of each pair."""
        return [_same_number(last_number(pair.context), last_number(pair.assertion)) for pair in pairs]


def _same_number(said: Fraction | None, wanted: Fraction | None) -> StepVerdict:
    if wanted is None:
        return StepVerdict(math.nan, reason=NO_NUMBER)
    return StepVerdict(float(said != wanted), reply="" if said is None else str(said))


def last_number(text: str) -> Fraction | None:
    r"""The last number of a text: a numeral, with thousands commas or not, or a fraction of two (3/4, \frac{3}{4}).

    Numbers in words do not count, nor do exponents, indices, and numerals that touch a letter ("2x", "3rd", "5cm").

    Returns:
        Its value; None if there is none.
    """
    found = list(_NUMBER.finditer(_FRACTION.sub(r"\1/\2", text).replace("−", "-")))
    if not found:
        return None
    value = Fraction(found[-1]["value"].replace(",", "")) / int(found[-1]["below"] or 1)
    return -value if found[-1]["sign"] else value
