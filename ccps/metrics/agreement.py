"""How far two graders agree on which answers are right."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from ccps.metrics.resampling import check_level


class Agreement(NamedTuple):
    """Two graders on the same answers."""

    n: int
    """Answers on which both have a verdict; everything below but the unknown is over these."""
    unknown_first: int
    """Answers on which the first has none."""
    unknown_second: int
    """Answers on which the second has none."""
    both_right: int
    """Both say right."""
    only_first: int
    """The first says right, the second wrong."""
    only_second: int
    """The second says right, the first wrong."""
    both_wrong: int
    """Both say wrong."""
    agreement: float
    """Share of answers with the same verdict; NaN if n is 0."""
    kappa: float
    """Cohen's κ: agreement beyond what the shares of right answers alone would give; NaN if undefined."""
    kappa_low: float
    """Lower end of its interval."""
    kappa_high: float
    """Upper end of its interval."""
    note: str
    """Why κ or its interval says less than it seems to; empty as a rule."""


def agreement(first: Sequence[bool | None], second: Sequence[bool | None], level: float = 0.95) -> Agreement:
    """Agreement of two graders, with Cohen's κ and its large-sample interval.

    κ: Cohen 1960, Educational and Psychological Measurement 20. Its standard error: Fleiss, Cohen and Everitt 1969,
    Psychological Bulletin 72, equation 13. The interval is cut off at -1 and 1. It takes answers as independent, and
    is a point where no two verdicts differ, however few answers there are; `note` then says so.

    Args:
        first: verdicts of the first grader, `[n]`; None where it has none.
        second: verdicts of the second, in the same order.
        level: probability that the interval is to hold, strictly between 0 and 1.

    Raises:
        ValueError: lengths differ, a verdict is no boolean and not None, or `level` is out of range.
    """
    _check(first, second, level)
    known = [(bool(a), bool(b)) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    both_right, only_first, only_second, both_wrong = (
        known.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))
    )
    n = len(known)
    same = (both_right + both_wrong) / n if n else math.nan
    kappa, error, note = _kappa(both_right, only_first, only_second, both_wrong)
    reach = float(ndtri((1 + level) / 2)) * error
    return Agreement(
        n=n,
        unknown_first=sum(verdict is None for verdict in first),
        unknown_second=sum(verdict is None for verdict in second),
        both_right=both_right,
        only_first=only_first,
        only_second=only_second,
        both_wrong=both_wrong,
        agreement=same,
        kappa=kappa,
        # The order keeps NaN as it is.
        kappa_low=max(kappa - reach, -1.0),
        kappa_high=min(kappa + reach, 1.0),
        note=note,
    )


def _kappa(both_right: int, only_first: int, only_second: int, both_wrong: int) -> tuple[float, float, str]:
    """κ, its standard error and a note, from the four cells."""
    n = both_right + only_first + only_second + both_wrong
    if not n:
        return math.nan, math.nan, "no answer has a verdict of both"
    p = [[both_right / n, only_first / n], [only_second / n, both_wrong / n]]
    rows, columns = [sum(row) for row in p], [p[0][j] + p[1][j] for j in (0, 1)]
    if n in (both_right, both_wrong):
        return math.nan, math.nan, "κ is undefined: every answer has one and the same verdict"
    chance = rows[0] * columns[0] + rows[1] * columns[1]
    observed = p[0][0] + p[1][1]
    kappa = (observed - chance) / (1 - chance)
    agreeing = sum(p[i][i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in (0, 1))
    differing = (1 - kappa) ** 2 * sum(p[i][1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in (0, 1))
    variance = (agreeing + differing - (kappa - chance * (1 - kappa)) ** 2) / (n * (1 - chance) ** 2)
    note = "no two verdicts differ: the interval is a point and says nothing" if not only_first + only_second else ""
    return kappa, math.sqrt(max(variance, 0.0)), note


def _check(first: Sequence[bool | None], second: Sequence[bool | None], level: float) -> None:
    if len(first) != len(second):
        raise ValueError(
            f"Expected `first` and `second` to have one length, but got {len(first)} and {len(second)}. "
            "Pass the verdicts of both on the same answers, in one order."
        )
    for name, verdicts in (("first", first), ("second", second)):
        for row, verdict in enumerate(verdicts):
            if verdict is not None and not isinstance(verdict, bool | np.bool_):
                raise ValueError(
                    f"Expected `{name}` to hold booleans or None, but got {verdict!r} in row {row}. "
                    "Pass None where a grader has no verdict."
                )
    check_level(level)
