"""What a verdict may rest on: enough answers of either kind, and resamples that are no point."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.analysis.records import Setting

FEWEST_OF_A_KIND = 20
"""With fewer right, or fewer wrong, answers than this, resamples show the few that there are and not what is possible:
a difference that one answer makes has the same value in all of them."""
POINT = "one value in every resample"
_WITHIN = 1e-9


class Behind(NamedTuple):
    """The answers that the figures of one method rest on."""

    right: int
    wrong: int

    @property
    def too_few(self) -> str:
        """Which kind is too rare, and how many there are; empty where both suffice."""
        kinds = {"right": self.right, "wrong": self.wrong}
        rare = [f"{n} {kind}" for kind, n in kinds.items() if n < FEWEST_OF_A_KIND]
        return f"too few: {', '.join(rare)}" if rare else ""


def behind(scores: pd.DataFrame) -> Mapping[tuple[Setting, str], Behind]:
    """Of every setting and method the right and wrong answers that it has scored, each question once.

    Args:
        scores: columns `ccps.analysis.data.SCORE_COLUMNS`, without rows that lack P(correct).
    """
    keys = ["model", "benchmark", "method"]
    once = scores.drop_duplicates([*keys, "question_id"]).groupby(keys, sort=False)["correct"]
    counts = once.agg(["sum", "size"]).itertuples()
    return {
        (Setting(str(model), str(benchmark)), str(method)): Behind(int(right), int(size - right))
        for (model, benchmark, method), right, size in counts
    }


def why_no_verdict(
    known: Mapping[tuple[Setting, str], Behind], compared: Iterable[tuple[Setting, str]], drawn: npt.NDArray[np.float64]
) -> str:
    """Why nothing may be concluded from the resamples of a statistic; empty where something may.

    Args:
        known: the table of `behind`; what is not in it is not counted.
        compared: the settings and methods that the statistic is made of.
        drawn: the statistic in every resample, `[resamples]`, NaN where undefined.
    """
    few = [(min(found), setting, found.too_few) for setting, found in _found(known, compared) if found.too_few]
    if few:
        _, setting, words = min(few)
        return words if len({one for one, _ in _found(known, compared)}) == 1 else f"{words} on {setting.benchmark}"
    return POINT if is_point(drawn) else ""


def _found(
    known: Mapping[tuple[Setting, str], Behind], compared: Iterable[tuple[Setting, str]]
) -> list[tuple[Setting, Behind]]:
    return [(key[0], known[key]) for key in compared if key in known]


def is_point(drawn: npt.NDArray[np.float64]) -> bool:
    """Whether all resamples that define a statistic give it one value; where none does, there is no point either."""
    defined = drawn[~np.isnan(drawn)]
    return bool(len(defined) and np.ptp(defined) <= _WITHIN)
