"""Which confidence is best taken along, by what each says of training answers that it has not learnt from."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.methods.base import Fitted
from ccps.methods.evidence import FloatArray
from ccps.metrics.resampling import drawn_counts, percentile_ends
from ccps.settings.evaluation import EvaluationConfig

CALIBRATOR = "platt"
"""What a method that learns nothing gets where it is taken along, beside its raw form if that is a probability."""

WHY_NOT = "why_not"


class Judged(NamedTuple):
    """P(correct) of a candidate for training answers that it has not learnt from, or why there is none.

    Attributes:
        name: of the candidate's method.
        calibrator: its kind, or what stands for none.
        rows: columns question_id, fold, correct and p_correct.
        why_not: why it is not compared.
        fitted: what it has learnt from all training answers, where that was fitted for the comparison.
    """

    name: str
    calibrator: str
    rows: pd.DataFrame
    why_not: str = ""
    fitted: Fitted | None = None


def compare(judged: Sequence[Judged], config: EvaluationConfig) -> pd.DataFrame:
    """Mean squared error of each candidate with its percentile interval over the questions, and which is the least."""
    most = max(int(np.isfinite(one.rows["p_correct"]).sum()) for one in judged)
    records = []
    for one in judged:
        known = one.rows.dropna(subset="p_correct").sort_values("question_id")
        silent = "" if len(known) == most else f"it says nothing of {most - len(known)} answers"
        why_not = one.why_not or silent
        errors = ((known["p_correct"] - known["correct"]) ** 2).to_numpy()
        brier, low, high = _mean(errors, config) if not why_not else (np.nan, np.nan, np.nan)
        folds = int(known["fold"].max() + 1) if len(known) else 0
        records.append((one.name, one.calibrator, brier, low, high, len(known), folds, why_not))
    columns = ["method", "calibrator", "brier", "brier_low", "brier_high", "n", "folds", WHY_NOT]
    table = pd.DataFrame(records, columns=columns)
    chosen: npt.NDArray[np.bool_] = np.zeros(len(table), dtype=np.bool_)
    if table["brier"].notna().any():
        chosen[int(np.nanargmin(table["brier"].to_numpy(dtype=np.float64)))] = True
    return table.assign(chosen=chosen)


def _mean(errors: FloatArray, config: EvaluationConfig) -> tuple[float, float, float]:
    weights = drawn_counts(np.random.default_rng(config.seed), config.resamples, len(errors))
    return float(errors.mean()), *percentile_ends(weights @ errors / len(errors), config.level)
