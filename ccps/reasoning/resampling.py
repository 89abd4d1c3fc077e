"""How scores of a run get their intervals: whole questions are drawn, all their traces with them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.core.errors import UserError, expected
from ccps.faithful import Mode
from ccps.metrics import Interval, clustered_bootstrap
from ccps.metrics.inputs import IntArray

Labels = npt.NDArray[np.object_]


@dataclass
class ScoringSettings:
    """How traces become scores.

    Attributes:
        mode: `strict` does what is right, `parity` what the released code of arXiv 2606.03969 does: it leaves out
            traces whose answer could not be read, for instance.
        bins: of confidence, in cMFG and cMFG*.
        resamples: of the bootstrap.
        level: probability that an interval is to hold.
        seed: of the resampling.
    """

    mode: str = "strict"
    bins: int = 10
    resamples: int = 1000
    level: float = 0.95
    seed: int = 42


def check_scoring(settings: ScoringSettings, name: str = "scoring") -> None:
    """Refuse settings that nothing can be scored with, all faults in one message.

    Args:
        settings: the settings.
        name: where they stand in an experiment.

    Raises:
        UserError: naming every setting that is out of range.
    """
    faults = [str(fault) for fault in _faults(settings, name)]
    if faults:
        raise UserError("\n".join(faults))


def _faults(settings: ScoringSettings, name: str) -> Iterator[UserError]:
    def fault(key: str, wanted: str) -> UserError:
        return expected(f"`{name}.{key}`", wanted, repr(getattr(settings, key)), "Change it on the command line.")

    if settings.mode not in get_args(Mode):
        yield fault("mode", " or ".join(get_args(Mode)))
    if settings.bins < 1:
        yield fault("bins", "at least 1")
    if settings.resamples < 1:
        yield fault("resamples", "at least 1")
    if not 0 < settings.level < 1:
        yield fault("level", "between 0 and 1")
    if settings.seed < 0:
        yield fault("seed", "0 or more")


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
