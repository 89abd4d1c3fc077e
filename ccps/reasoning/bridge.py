"""The bridge between two questions: is the answer right, and does the trace say so, by position in the trace."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd

from ccps.core.settings import check
from ccps.faithful import Mode, spearman
from ccps.metrics import Interval
from ccps.metrics.discrimination import weighted_auroc
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.reasoning.resampling import Labels, question_labels, resampled
from ccps.reasoning.tables import StepsByTrace, check_tables, numbers
from ccps.settings.faithful.scoring import ScoringSettings

BRIDGE_COLUMNS = ("position", "signal", "metric", "value", "ci_low", "ci_high", "n", "undefined")
POSITIONS = ("first", "middle", "last")
"""Thirds of a trace, by the middle of each step: the only step of a trace is in the middle one."""
ANSWER = "answer"
ANSWER_SIGNALS = ("p_true", "answer_probability")
"""What says whether the final answer is right, beside estimators that read it too: columns of the trace table."""


def bridge(
    steps: pd.DataFrame,
    traces: pd.DataFrame,
    estimators: Sequence[str],
    settings: ScoringSettings | None = None,
    answer_signals: Sequence[str] = ANSWER_SIGNALS,
) -> pd.DataFrame:
    """Set what traces say and what the model believes against whether the answer is right.

    Over the traces whose answer is known to be right or wrong, for each third of the trace (decisiveness and every
    estimator, averaged over its steps) and for the answer (those of `answer_signals` that there are):

    - `mean` of the signal;
    - `auroc`: P(it is higher for a right answer than for a wrong one), ties counting half;
    - `spearman_decisiveness`: ρ with decisiveness at the same position; for the answer, with that of the whole trace.

    Args:
        steps: see `ccps.reasoning.tables.check_tables`.
        traces: likewise; scored or not.
        estimators: of confidence, columns of `steps`.
        settings: mode, and how intervals are resampled, by question.
        answer_signals: what is read of the final answer, columns of `traces`.

    Returns:
        Columns `BRIDGE_COLUMNS`; value NaN where a metric is undefined (no trace, one class, nothing that varies),
        n: the traces that have the signal; undefined: resamples without a value.

    Raises:
        ValueError: tables that do not fit, or in `strict` a score outside [0, 1].
        UserError: settings out of range.
    """
    settings = settings or ScoringSettings()
    check(settings, "scoring")
    check_tables(steps, traces, estimators)
    marked = traces[traces["correct"].notna()].sort_values("trace_id", kind="stable")
    right = marked["correct"].astype(bool).to_numpy(dtype=np.float64)
    questions = question_labels(marked)
    rows = [
        (position, signal, metric, interval.value, interval.low, interval.high, n, interval.undefined)
        for position, (decisiveness, signals) in _positions(
            steps, marked, estimators, answer_signals, cast(Mode, settings.mode)
        )
        for signal, values in signals.items()
        for metric, interval, n in _metrics(values, decisiveness, right, questions, settings)
        if (signal, metric) != ("decisiveness", "spearman_decisiveness")
    ]
    return pd.DataFrame(rows, columns=list(BRIDGE_COLUMNS))


def _positions(
    steps: pd.DataFrame, marked: pd.DataFrame, estimators: Sequence[str], answer_signals: Sequence[str], mode: Mode
) -> Iterator[tuple[str, tuple[FloatArray, Mapping[str, FloatArray]]]]:
    """For each position the decisiveness of the traces there, and their signals."""
    of_steps = StepsByTrace(steps, marked["trace_id"], mode)
    columns = {name: of_steps.column(name) for name in ("decisiveness", *estimators)}
    thirds = [_third(len(own)) for own in columns["decisiveness"]]
    for place, position in enumerate(POSITIONS):
        signals = {
            name: np.array([_mean(own[third == place]) for own, third in zip(parts, thirds, strict=True)])
            for name, parts in columns.items()
        }
        yield position, (signals["decisiveness"], signals)
    whole = np.array([_mean(own) for own in columns["decisiveness"]])
    yield ANSWER, (whole, {name: numbers(marked, name) for name in answer_signals if name in marked})


def _third(n_steps: int) -> IntArray:
    third: IntArray = 3 * (2 * np.arange(n_steps) + 1) // (2 * max(n_steps, 1))
    return third


def _mean(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _metrics(
    values: FloatArray, decisiveness: FloatArray, right: FloatArray, questions: Labels, settings: ScoringSettings
) -> Iterator[tuple[str, Interval, int]]:
    known = ~np.isnan(values)
    own, labels, groups = values[known], right[known], questions[known]
    yield "mean", resampled(lambda rows: float(own[rows].mean()), groups, settings), len(own)
    yield "auroc", resampled(lambda rows: _auroc(own[rows], labels[rows]), groups, settings), len(own)
    both = known & ~np.isnan(decisiveness)
    one, other = values[both], decisiveness[both]
    correlation = resampled(lambda rows: spearman(one[rows], other[rows]), questions[both], settings)
    yield "spearman_decisiveness", correlation, len(one)


def _auroc(values: FloatArray, right: FloatArray) -> float:
    order = np.argsort(values, kind="stable")
    return float(weighted_auroc(values[order], right[order], np.ones((1, len(order))))[0])
