"""From the scores of steps to those of traces, and from these to the results of a run with all they rest on."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from ccps.core.settings import check
from ccps.faithful import Mode, TraceRule, correlations, score_trace, trace_confidence
from ccps.faithful.modes import read_scores
from ccps.metrics.inputs import IntArray
from ccps.reasoning.control import CONTROL_COLUMNS, control_rows
from ccps.reasoning.estimator_rows import Sample, ScoreRow, estimator_rows, mean_row
from ccps.reasoning.resampling import question_labels
from ccps.reasoning.tables import StepsByTrace, check_tables, numbers
from ccps.settings.faithful.scoring import ScoringSettings

RESULT_COLUMNS = ("estimator", "metric", "value", "ci_low", "ci_high", "n")
CORRELATION_COLUMNS = ("first", "second", "rho", "n")
DROPPED_COLUMNS = ("what", "why", "n")

_NO_RULES: Mapping[str, TraceRule] = MappingProxyType({})


class CellScores(NamedTuple):
    """The scores of one run: a model, a dataset, a prompt."""

    traces: pd.DataFrame
    """All traces in the order given, with what `score_traces` adds."""
    results: pd.DataFrame
    """Columns `RESULT_COLUMNS`; no estimator: an empty text; no interval: NaN."""
    correlations: pd.DataFrame
    """Columns `CORRELATION_COLUMNS`: Spearman's ρ of every two trace scores, and the traces that have both."""
    dropped: pd.DataFrame
    """Columns `DROPPED_COLUMNS`: what some result does not rest on, why, and how many."""
    control: pd.DataFrame
    """Columns `ccps.reasoning.control.CONTROL_COLUMNS`: how often planted words would have been found."""


def takes_last(estimator: str, released: Mapping[str, TraceRule]) -> bool:
    """Whether the released code takes the confidence of the last step for the trace's."""
    return estimator in released and released[estimator].reduction == "last"


def score_traces(
    steps: pd.DataFrame,
    traces: pd.DataFrame,
    estimators: Sequence[str],
    *,
    mode: Mode = "strict",
    released: Mapping[str, TraceRule] = _NO_RULES,
) -> pd.DataFrame:
    """Score every trace by every estimator.

    Args:
        steps: see `ccps.reasoning.tables.check_tables`.
        traces: likewise.
        estimators: of confidence, columns of `steps`.
        mode: `strict` or `parity`; in `parity` a score of −1 is missing.
        released: how the released code makes the trace's confidence from those of its steps, by estimator. `parity`
            goes by it; `strict` takes the mean for all.

    Returns:
        The traces with `decisiveness`, and for each estimator e `confidence_e`, `faithfulness_e`, `gap_e` (mean D − C)
        and `n_scored_e` (steps that have both); NaN where missing. Where the released code takes the last step also
        `last_confidence_e`: the confidence of that one.

    Raises:
        ValueError: tables that do not fit, or in `strict` a score outside [0, 1].
    """
    check_tables(steps, traces, estimators)
    of_steps = StepsByTrace(steps, traces["trace_id"], mode)
    decisiveness = of_steps.column("decisiveness")
    scored = traces.copy()
    scored["decisiveness"] = [trace_confidence(d, mode=mode) for d in decisiveness]
    for estimator in estimators:
        confidence = of_steps.column(estimator)
        rule = released.get(estimator) if mode == "parity" else None
        rows = [score_trace(d, c, rule, mode=mode) for d, c in zip(decisiveness, confidence, strict=True)]
        for name in ("confidence", "faithfulness"):
            scored[f"{name}_{estimator}"] = read_scores([getattr(row, name) for row in rows], name, mode)
        scored[f"gap_{estimator}"] = np.array([row.gap for row in rows], dtype=np.float64)
        scored[f"n_scored_{estimator}"] = np.array([row.n_scored for row in rows], dtype=np.int64)
        if takes_last(estimator, released):
            scored[f"last_confidence_{estimator}"] = [
                trace_confidence(c, TraceRule("last"), mode=mode) for c in confidence
            ]
    return scored


def score_cell(
    steps: pd.DataFrame,
    traces: pd.DataFrame,
    estimators: Sequence[str],
    settings: ScoringSettings | None = None,
    released: Mapping[str, TraceRule] = _NO_RULES,
) -> CellScores:
    """Score one run. Nothing depends on the order of the rows.

    Metrics of an estimator, over the traces that have its faithfulness and confidence:

    - `mfg`, `cmfg`, `cmfg_star`: intervals by resampling questions. `cmfg_star_stratified`: the same value with the
      interval from the spread within bins. `cmfg_star_last`: where the released code takes the last
      step, bins made of its confidence.
    - `support_low`, `support_high`: range of the confidences. `cmfg_bins_used`, `cmfg_bins_empty`, `cmfg_star_bins`.
    - `always_decisive`, `best_constant`, `permutation`: cMFG* of words that say nothing; `best_constant_at`: which
      constant. `excess_always_decisive`, `excess_best_constant`, `excess_permutation`: cMFG* beyond these.
    - `mean_confidence`; where the released code takes the last step `mean_confidence_last`.
    - `gap`: mean D − C. `gap_over`, `gap_under`: share of traces whose words are more, or less, certain by over 0.02.
    - `spearman_across`: decisiveness against confidence over traces. `spearman_within`: over the steps of a trace, mean
      over the traces in which it is defined.
    - `hedged`: share of the steps whose words are not entirely decisive; `doubt_unhedged`, `doubt_hedged`: mean 1 − C
      of the steps that are, and of those that are not.

    Metrics of none: `accuracy`, `mean_decisiveness`, `mean_steps`, and how many traces there are: `n_traces`,
    `n_questions`, `n_truncated`, `n_without_steps`, `n_unparsed` (no answer found), `n_unmarked` (not known whether it
    is right), `n_misaligned` (ids and text do not fit).

    Args:
        steps: see `ccps.reasoning.tables.check_tables`.
        traces: likewise, not yet scored.
        estimators: of confidence, columns of `steps`.
        settings: mode, bins, intervals. In `parity` only traces whose answer is known to be right or wrong have a
            faithfulness that counts.
        released: see `score_traces`.

    Raises:
        ValueError: as in `score_traces`.
        UserError: settings out of range.
    """
    settings = settings or ScoringSettings()
    check(settings, "scoring")
    mode = cast(Mode, settings.mode)
    scored = score_traces(steps, traces, estimators, mode=mode, released=released)
    ordered = scored.sort_values("trace_id", kind="stable")
    counted = ordered[ordered["correct"].notna()] if mode == "parity" else ordered
    sizes = StepsByTrace(steps, ordered["trace_id"], mode).sizes
    of_steps = StepsByTrace(steps, counted["trace_id"], mode)
    rows = list(_overall(ordered, counted, sizes, settings))
    for estimator in estimators:
        rows += estimator_rows(estimator, counted, of_steps, settings, last=takes_last(estimator, released))
    dropped = [
        *_dropped_traces(ordered, counted),
        *(drop for estimator in estimators for drop in _dropped_steps(estimator, counted, of_steps)),
        *_dropped_values(rows),
    ]
    planted = [
        row for estimator in estimators for row in control_rows(Sample.of(estimator, counted, of_steps, settings))
    ]
    return CellScores(
        traces=scored,
        results=pd.DataFrame([row[:-1] for row in rows], columns=list(RESULT_COLUMNS)),
        correlations=_correlations(counted, estimators),
        dropped=pd.DataFrame([drop for drop in dropped if drop[-1]], columns=list(DROPPED_COLUMNS)),
        control=pd.DataFrame(planted, columns=list(CONTROL_COLUMNS)),
    )


def _overall(
    traces: pd.DataFrame, counted: pd.DataFrame, sizes: IntArray, settings: ScoringSettings
) -> Iterator[ScoreRow]:
    questions, marked = question_labels(traces), traces["correct"].notna().to_numpy()
    right = traces["correct"][marked].astype(bool).to_numpy(dtype=np.float64)
    yield mean_row("", "accuracy", right, questions[marked], settings)
    yield mean_row("", "mean_decisiveness", numbers(counted, "decisiveness"), question_labels(counted), settings)
    yield mean_row("", "mean_steps", sizes.astype(np.float64), questions, settings)
    counts = {
        "n_traces": len(traces),
        "n_questions": len(set(questions)),
        "n_truncated": traces["truncated"].sum(),
        "n_without_steps": (sizes == 0).sum(),
        "n_unparsed": traces["answer"].isna().sum(),
        "n_unmarked": (~marked).sum(),
        "n_misaligned": (traces["misaligned"].fillna("") != "").sum(),
    }
    for metric, count in counts.items():
        yield ScoreRow("", metric, float(count), np.nan, np.nan, len(traces))


def _dropped_traces(traces: pd.DataFrame, counted: pd.DataFrame) -> Iterator[tuple[str, str, int]]:
    yield "traces in accuracy", "not known whether the answer is right", int(traces["correct"].isna().sum())
    yield "traces in faithfulness", "not known whether the answer is right (parity)", len(traces) - len(counted)
    yield "traces in mean_decisiveness", "no step has a decisiveness", int(counted["decisiveness"].isna().sum())


def _dropped_steps(estimator: str, counted: pd.DataFrame, steps: StepsByTrace) -> Iterator[tuple[str, str, int]]:
    d, c = (np.concatenate([np.empty(0), *steps.column(name)]) for name in ("decisiveness", estimator))
    yield f"steps in {estimator}", "no decisiveness", int(np.isnan(d).sum())
    yield f"steps in {estimator}", "no confidence", int((np.isnan(c) & ~np.isnan(d)).sum())
    unscored = int((counted[f"n_scored_{estimator}"] == 0).sum())
    yield f"traces in {estimator}", "no step has both decisiveness and confidence", unscored


def _dropped_values(rows: Sequence[ScoreRow]) -> Iterator[tuple[str, str, int]]:
    n = {(row.estimator, row.metric): row.n for row in rows}
    for row in rows:
        name = f"{row.metric} {row.estimator}".strip()
        if row.metric == "cmfg":
            yield f"traces in {name}", "a confidence of 1 lies in no bin (parity)", n[row.estimator, "mfg"] - row.n
        if row.metric == "spearman_within":
            why = "fewer than three scored steps, or one score does not vary"
            yield f"traces in {name}", why, n[row.estimator, "mfg"] - row.n
        yield f"resamples of {name}", "it is undefined there", row.undefined


def _correlations(traces: pd.DataFrame, estimators: Sequence[str]) -> pd.DataFrame:
    names = ["decisiveness", *(f"{score}_{name}" for score in ("confidence", "faithfulness") for name in estimators)]
    found = correlations({name: numbers(traces, name) for name in names})
    pairs = [(i, j) for i in range(len(names)) for j in range(len(names))]
    rows = [(names[i], names[j], float(found.rho[i, j]), int(found.n[i, j])) for i, j in pairs]
    return pd.DataFrame(rows, columns=list(CORRELATION_COLUMNS))
