"""Stated confidence and what came of it: reliability, and how confidence is spread over right and wrong answers."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.core.text import percent
from ccps.metrics import ReliabilityBins, ece, expected_ece_noise, hardly_varies, reliability_bins

# A diagram draws P(correct) itself, whatever the headline convention bins.
DIAGRAM_CONVENTION = "p_correct"
_NOISE_DRAWS = 200

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """How the answers of one method lie to its confidence.

    Attributes:
        bins: all bins, those without an answer too.
        stated: mean P(correct) of each bin that holds an answer.
        right: share of right answers in it.
        low: lower ends of the 95 % Wilson intervals of these shares.
        high: upper ends.
        ece: expected calibration error, a fraction.
        noise: the error that a perfectly calibrated method would stay below 95 % of the time.
        flat: that P(correct) hardly varies, in words; empty where it does.
    """

    bins: ReliabilityBins
    stated: Floats
    right: Floats
    low: Floats
    high: Floats
    ece: float
    noise: float
    flat: str


def reliability(rows: pd.DataFrame) -> Reliability:
    """Measure scored rows with columns p_correct and correct."""
    p, correct = rows["p_correct"].to_numpy(float), rows["correct"].to_numpy(bool)
    from scipy.stats import binomtest  # takes a second

    bins = reliability_bins(p, correct, DIAGRAM_CONVENTION)
    full = bins.count > 0
    share, n = bins.accuracy[full], bins.count[full]
    ends = [binomtest(round(a * b), int(b)).proportion_ci(method="wilson") for a, b in zip(share, n, strict=True)]
    noise = expected_ece_noise(p, DIAGRAM_CONVENTION, seed=0, n_draws=_NOISE_DRAWS).q95
    return Reliability(
        bins=bins,
        stated=bins.confidence[full],
        right=share,
        low=np.array([end.low for end in ends]),
        high=np.array([end.high for end in ends]),
        ece=ece(p, correct, DIAGRAM_CONVENTION),
        noise=noise,
        flat=flat_words(p),
    )


def flat_words(p_correct: Floats) -> str:
    """That confidences `[n]` hardly vary, and where they lie; empty where they do vary."""
    if not hardly_varies(p_correct):
        return ""
    low, high = percent(float(p_correct.min())), percent(float(p_correct.max()))
    return f"P hardly varies: {low} %" if low == high else f"P hardly varies: {low}–{high} %"


class Confidences(NamedTuple):
    """P(correct) of the right, or of the wrong, answers."""

    correct: bool
    values: Floats

    @property
    def median(self) -> float:
        """Their median; NaN where there is none."""
        return float(np.median(self.values)) if len(self.values) else np.nan


def by_truth(rows: pd.DataFrame) -> tuple[Confidences, Confidences]:
    """P(correct) of the right and of the wrong answers."""
    p, correct = rows["p_correct"].to_numpy(float), rows["correct"].to_numpy(bool)
    return Confidences(True, p[correct]), Confidences(False, p[~correct])
