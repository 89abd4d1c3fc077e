"""How scores of a run get their intervals: whole questions are drawn, all their traces with them."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.metrics import Interval, clustered_bootstrap
from ccps.metrics.inputs import IntArray
from ccps.settings.faithful.scoring import ScoringSettings

Labels = npt.NDArray[np.object_]


def question_labels(traces: pd.DataFrame) -> Labels:
    """The question of each trace; a trace whose question is unknown counts as a question of its own.

    Args:
        traces: columns trace_id, question_id (empty if unknown).

    Returns:
        `[traces]`
    """
    known = traces["question_id"].notna() & (traces["question_id"] != "")
    labels: Labels = traces["question_id"].where(known, traces["trace_id"]).to_numpy(dtype=object)
    return labels


def resampled(statistic: Callable[[IntArray], float], questions: Labels, settings: ScoringSettings) -> Interval:
    """A statistic of traces with the interval that resampling their questions gives.

    Args:
        statistic: of row numbers, which may repeat.
        questions: of each row, `[n]`.
        settings: resamples, level and seed.

    Returns:
        Value, ends, and how many resamples have no value. From one question no interval can be had: its ends are NaN;
        without a row everything is.
    """
    if not len(questions):
        return Interval(np.nan, np.nan, np.nan, 0)
    if len(set(questions)) < 2:
        return Interval(statistic(np.arange(len(questions))), np.nan, np.nan, 0)
    return clustered_bootstrap(
        statistic, questions, seed=settings.seed, n_resamples=settings.resamples, level=settings.level
    )
