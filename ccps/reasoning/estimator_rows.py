"""The results of one estimator of confidence on one run, a row per metric."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self, cast

import numpy as np
import pandas as pd

from ccps.faithful import Metric, Mode, baselines, dataset_score, spearman, stratified_interval
from ccps.faithful.association import NEAR
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.reasoning.excess import Excess
from ccps.reasoning.resampling import Labels, question_labels, resampled
from ccps.reasoning.tables import StepsByTrace, numbers
from ccps.settings.faithful.scoring import ScoringSettings


class ScoreRow(NamedTuple):
    """One metric."""

    estimator: str
    """Empty where a metric has none."""
    metric: str
    value: float
    low: float
    """Ends of the interval, NaN without one."""
    high: float
    n: int
    """Traces that it rests on."""
    undefined: int = 0
    """Resamples in which it has no value."""


def metric_row(
    estimator: str,
    metric: str,
    statistic: Callable[[IntArray], float],
    questions: Labels,
    settings: ScoringSettings,
) -> ScoreRow:
    """Any statistic of traces with its interval.

    Args:
        estimator: see `Row`.
        metric: likewise.
        statistic: of row numbers, which may repeat.
        questions: of each row, `[n]`.
        settings: how intervals are made.
    """
    found = resampled(statistic, questions, settings)
    return ScoreRow(estimator, metric, found.value, found.low, found.high, len(questions), found.undefined)


def mean_row(estimator: str, metric: str, values: FloatArray, questions: Labels, settings: ScoringSettings) -> ScoreRow:
    """The mean of those `values` `[n]` that are not NaN, with its interval; other arguments as in `metric_row`."""
    known = ~np.isnan(values)
    own = values[known]
    return metric_row(estimator, metric, lambda rows: float(own[rows].mean()), questions[known], settings)


def estimator_rows(
    estimator: str, traces: pd.DataFrame, steps: StepsByTrace, settings: ScoringSettings, *, last: bool = False
) -> Iterator[ScoreRow]:
    """All metrics of an estimator, see `ccps.reasoning.scoring.score_cell`.

    Args:
        estimator: its name.
        traces: scored, those that count.
        steps: theirs.
        settings: mode, bins, intervals.
        last: whether to give what rests on the confidence of the last step too.
    """
    sample = Sample.of(estimator, traces, steps, settings)
    yield from _score_rows(sample, last=last)
    yield from _baseline_rows(sample)
    yield from _agreement_rows(sample, last=last)
    yield from _doubt_rows(sample)


@dataclass(frozen=True, eq=False)
class Sample:
    """The traces that have a faithfulness and a confidence by one estimator."""

    estimator: str
    traces: pd.DataFrame
    decisiveness: list[FloatArray]
    confidence: list[FloatArray]
    questions: Labels
    settings: ScoringSettings

    @classmethod
    def of(cls, estimator: str, traces: pd.DataFrame, steps: StepsByTrace, settings: ScoringSettings) -> Self:
        """Those among some traces; arguments as of `estimator_rows`."""
        both = ~np.isnan(numbers(traces, f"faithfulness_{estimator}") + numbers(traces, f"confidence_{estimator}"))
        columns = (steps.column(name) for name in ("decisiveness", estimator))
        d, c = ([column[row] for row in np.flatnonzero(both)] for column in columns)
        return cls(estimator, traces[both], d, c, question_labels(traces[both]), settings)

    @property
    def mode(self) -> Mode:
        """`strict` or `parity`."""
        return cast(Mode, self.settings.mode)

    def values(self, name: str) -> FloatArray:
        """A score of the traces by this estimator, of those that `score_traces` adds."""
        return numbers(self.traces, f"{name}_{self.estimator}")

    def fact(self, metric: str, value: float, low: float = np.nan, high: float = np.nan) -> ScoreRow:
        """A metric that is not resampled."""
        n = len(self.traces)
        return ScoreRow(self.estimator, metric, value if n else np.nan, low, high, n)

    def row(self, metric: str, statistic: Callable[[IntArray], float]) -> ScoreRow:
        """See `metric_row`."""
        return metric_row(self.estimator, metric, statistic, self.questions, self.settings)

    def mean(self, metric: str, values: FloatArray) -> ScoreRow:
        """See `mean_row`."""
        return mean_row(self.estimator, metric, values, self.questions, self.settings)


def _score_rows(sample: Sample, *, last: bool) -> Iterator[ScoreRow]:
    f, c = sample.values("faithfulness"), sample.values("confidence")
    bins, mode = sample.settings.bins, sample.mode

    def scores(metric: Metric, confidence: FloatArray) -> Callable[[IntArray], float]:
        return lambda rows: dataset_score(metric, f[rows], confidence[rows], bins=bins, mode=mode).value

    wide, star = (dataset_score(metric, f, c, bins=bins, mode=mode) for metric in ("cmfg", "cmfg_star"))
    yield sample.row("mfg", scores("mfg", c))
    yield sample.row("cmfg", scores("cmfg", c))._replace(n=wide.n)
    yield sample.row("cmfg_star", scores("cmfg_star", c))
    by_bins = stratified_interval("cmfg_star", f, c, bins=bins, level=sample.settings.level, mode=mode)
    yield sample.fact("cmfg_star_stratified", by_bins.value, by_bins.low, by_bins.high)
    if last:
        yield sample.row("cmfg_star_last", scores("cmfg_star", sample.values("last_confidence")))
    yield sample.fact("support_low", star.support[0])
    yield sample.fact("support_high", star.support[1])
    yield sample.fact("cmfg_bins_used", len(wide.strata.weights))
    yield sample.fact("cmfg_bins_empty", wide.strata.empty)
    yield sample.fact("cmfg_star_bins", len(star.strata.weights))


def _baseline_rows(sample: Sample) -> Iterator[ScoreRow]:
    steps = sample.decisiveness, sample.confidence, sample.values("confidence")
    found = baselines("cmfg_star", *steps, bins=sample.settings.bins, mode=sample.mode)
    yield sample.fact("always_decisive", found.always_decisive)
    yield sample.fact("best_constant", found.best_constant)
    yield sample.fact("best_constant_at", found.constant)
    yield sample.fact("permutation", found.permutation)
    excess = Excess(*steps, bins=sample.settings.bins, mode=sample.mode)
    yield sample.row("excess_always_decisive", excess.over_always_decisive)
    yield sample.row("excess_best_constant", excess.over_best_constant)
    yield sample.row("excess_permutation", excess.over_permutation)


def _agreement_rows(sample: Sample, *, last: bool) -> Iterator[ScoreRow]:
    confidence, gap = sample.values("confidence"), sample.values("gap")
    yield sample.mean("mean_confidence", confidence)
    if last:
        yield sample.mean("mean_confidence_last", sample.values("last_confidence"))
    yield sample.mean("gap", gap)
    yield sample.mean("gap_over", (gap > NEAR).astype(np.float64))
    yield sample.mean("gap_under", (gap < -NEAR).astype(np.float64))
    decisive = numbers(sample.traces, "decisiveness")
    yield sample.row("spearman_across", lambda rows: spearman(decisive[rows], confidence[rows]))
    within = [spearman(d, c) for d, c in zip(sample.decisiveness, sample.confidence, strict=True)]
    yield sample.mean("spearman_within", np.array(within, dtype=np.float64))


def _doubt_rows(sample: Sample) -> Iterator[ScoreRow]:
    """How little the model is confident, 1 − C, of the steps that are said without a hedge and of those with one."""
    pairs = zip(sample.decisiveness, sample.confidence, strict=True)
    doubts = [(d < 1, 1 - c, ~np.isnan(d + c)) for d, c in pairs]
    for metric, hedged in (("doubt_unhedged", False), ("doubt_hedged", True)):
        chosen = [doubt[known & (hedges == hedged)] for hedges, doubt, known in doubts]
        yield sample.row(metric, _mean_over(chosen))
    known = [hedges[known].astype(np.float64) for hedges, _, known in doubts]
    yield sample.row("hedged", _mean_over(known))


def _mean_over(values: Sequence[FloatArray]) -> Callable[[IntArray], float]:
    """The mean over all steps of some traces, whatever their number in each."""
    total, n = np.array([own.sum() for own in values]), np.array([len(own) for own in values])
    return lambda rows: float(total[rows].sum() / n[rows].sum()) if n[rows].sum() else np.nan
