"""What each choice of the framework moves: one reading of the same traces against another."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau

from ccps.analysis.records import Estimate
from ccps.faithful import Metric, Mode, TraceRule, baselines, dataset_score, score_trace, spearman_within
from ccps.metrics.inputs import FloatArray, IntArray, group_members
from ccps.metrics.resampling import drawn_places, percentile_ends


class Reading(NamedTuple):
    """One way of reading all traces: their words, the model's confidence in each step, and how both are scored."""

    choice: str
    """What is chosen."""
    setting: str
    """What is chosen here."""
    decisiveness: Sequence[FloatArray]
    """Of the steps of each trace."""
    confidence: Sequence[FloatArray]
    """Likewise; NaN where missing."""
    metric: Metric = "cmfg_star"
    bins: int = 10
    mode: Mode = "strict"
    rule: TraceRule | None = None
    """How the confidence of a trace is made from those of its steps."""


class Moved(NamedTuple):
    """A reading beside the first one."""

    reading: Reading
    score: float
    """Its score over all traces."""
    change: Estimate
    """Less that of the first, resampled by problem."""
    excess: float
    """Over the same words dealt out among all steps."""
    within: float
    """ρ of words and confidence within traces."""
    tau_groups: Estimate
    """Kendall's τ of the order of the groups, by their scores, with that of the first."""
    tau_traces: Estimate
    """The same of all traces, by their faithfulness."""


class Resampling(NamedTuple):
    """How intervals are made: whole problems are drawn."""

    resamples: int
    level: float
    seed: int


def sensitivity(
    readings: Sequence[Reading], groups: Sequence[str], problems: Sequence[str], resampling: Resampling
) -> list[Moved]:
    """Hold every reading against the first, on the same resamples.

    Args:
        readings: the first is what the others are held against.
        groups: of each trace, what is to be ordered: its model and condition.
        problems: of each trace, what is drawn.
        resampling: how often, and level and seed.
    """
    members = group_members(problems, len(problems))
    draws = drawn_places(np.random.default_rng(resampling.seed), resampling.resamples, len(members))
    rows = [np.arange(len(problems)), *(np.concatenate([members[place] for place in draw]) for draw in draws)]
    labels = np.asarray(groups, dtype=object)
    read = [_Scored(reading, labels) for reading in readings]
    first = [read[0].on(drawn) for drawn in rows]
    return [_moved(one, rows, first, resampling.level) for one in read]


class _OfRows(NamedTuple):
    """What a reading gives for some of the traces."""

    score: float
    groups: FloatArray
    traces: FloatArray


class _Scored:
    """The traces of a reading, scored."""

    def __init__(self, reading: Reading, groups: npt.NDArray[np.object_]) -> None:
        pairs = zip(reading.decisiveness, reading.confidence, strict=True)
        scores = [score_trace(d, c, reading.rule, mode=reading.mode) for d, c in pairs]
        self.reading = reading
        self.f = np.array([one.faithfulness for one in scores])
        self.c = np.array([one.confidence for one in scores])
        self.groups, self.names = groups, sorted(set(groups))

    def on(self, rows: IntArray) -> _OfRows:
        own = self.groups[rows]
        by_group = [self._score(rows[own == name]) for name in self.names]
        return _OfRows(self._score(rows), np.array(by_group), self.f[rows])

    def _score(self, rows: IntArray) -> float:
        one = self.reading
        return dataset_score(one.metric, self.f[rows], self.c[rows], bins=one.bins, mode=one.mode).value


def _moved(own: _Scored, rows: Sequence[IntArray], first: Sequence[_OfRows], level: float) -> Moved:
    found = [own.on(drawn) for drawn in rows]
    reading = own.reading
    beside = baselines(
        reading.metric, reading.decisiveness, reading.confidence, own.c, bins=reading.bins, mode=reading.mode
    )
    return Moved(
        reading,
        found[0].score,
        _estimate([one.score - other.score for one, other in zip(found, first, strict=True)], level),
        beside.over_permutation,
        spearman_within(reading.decisiveness, reading.confidence).mean,
        _estimate([_tau(one.groups, other.groups) for one, other in zip(found, first, strict=True)], level),
        _estimate([_tau(one.traces, other.traces) for one, other in zip(found, first, strict=True)], level),
    )


def _estimate(values: Sequence[float], level: float) -> Estimate:
    """The value on the data itself, which comes first, with the ends that the resamples give."""
    return Estimate(values[0], *percentile_ends(np.array(values[1:]), level))


def _tau(one: FloatArray, other: FloatArray) -> float:
    """Kendall's τ-b where both are known; NaN where there is no order."""
    both = ~np.isnan(one + other)
    return float(kendalltau(one[both], other[both]).statistic) if both.sum() > 1 else np.nan
