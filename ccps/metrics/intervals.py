"""Bootstrap intervals clustered by subject.

Questions of one subject resemble each other, so they do not count as independent. Each resample therefore
draws whole subjects with replacement. The spread of a mean over subjects then already holds the noise of the
questions within each subject; the second stage of `two_stage` adds that noise once more, which gives wider,
conservative intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ccps.metrics.aggregates import Aggregate
from ccps.metrics.conventions import Convention, find_convention
from ccps.metrics.evaluate import evaluate, metric_table
from ccps.metrics.inputs import (
    FloatArray,
    IntArray,
    batch_sizes,
    check_choice,
    check_positive,
    checked_scores,
    group_members,
    ratio,
)
from ccps.metrics.registry import METRICS, Metric
from ccps.metrics.resampling import Interval, check_level, counted, drawn_places, percentile_ends

Scheme = Literal["clusters", "two_stage"]


@dataclass(frozen=True)
class _Rows:
    """Rows in an order that depends on their content only, so that a seed draws the same ones again."""

    p: FloatArray
    y: FloatArray
    members: list[IntArray]
    convention: Convention
    metrics: Mapping[str, Metric]

    def table(self, rows: IntArray, weights: FloatArray) -> FloatArray:
        """Every metric of some rows, `[resamples, metrics]`."""
        return metric_table(self.p[rows], self.y[rows], weights, self.convention, self.metrics)


def bootstrap(
    p_correct: npt.ArrayLike,
    correct: npt.ArrayLike,
    groups: npt.ArrayLike | Sequence[object],
    convention: str | Convention = "ct",
    *,
    seed: int,
    aggregate: Aggregate = "macro",
    scheme: Scheme = "clusters",
    n_resamples: int = 1000,
    level: float = 0.95,
    metrics: Mapping[str, Metric] = METRICS,
) -> Mapping[str, Interval]:
    """Percentile intervals of metrics, clustered by subject.

    Percentile intervals inherit the bias of a metric: an ECE that is recomputed on resampled rows (`pooled`
    or `two_stage`) tends upwards, most of all near zero, so that its interval may lie above the value.

    Args:
        p_correct: P(the answer is correct), `[n]`, in [0, 1].
        correct: whether it was, `[n]`, 0, 1 or booleans.
        groups: subject of each row, `[n]`; at least two subjects. With one label per row and `pooled` this is
            the ordinary bootstrap of rows.
        convention: how the ECE is measured: a name in `CONVENTIONS`, or a `Convention`.
        seed: seed of the resampling.
        aggregate: `macro`, the unweighted mean over subjects (a subject is left out of a metric that is
            undefined in it), or `pooled`, over all rows.
        scheme: `clusters` draws subjects; `two_stage` then draws questions within each drawn subject.
        n_resamples: number of resamples.
        level: probability that the interval is to hold, strictly between 0 and 1.
        metrics: which ones.

    Returns:
        An interval for each of `metrics`. It does not depend on the order of the rows.

    Raises:
        ValueError: if the arguments are not as above.
    """
    _check_settings(aggregate, scheme, n_resamples, level)
    p, y = checked_scores(p_correct, correct)
    chosen, members = find_convention(convention), _at_least_two(group_members(groups, len(y)))
    resampled = _resample(_in_order(p, y, members, chosen, metrics), aggregate, scheme, n_resamples, seed)
    value = evaluate(p, y, chosen, groups=groups if aggregate == "macro" else None, metrics=metrics)
    return {
        metric: Interval(value[metric], *percentile_ends(column, level), int(np.isnan(column).sum()))
        for metric, column in zip(metrics, resampled.T, strict=True)
    }


def _resample(rows: _Rows, aggregate: Aggregate, scheme: Scheme, n_resamples: int, seed: int) -> FloatArray:
    """Every metric in every resample, `[resamples, metrics]`."""
    rng = np.random.default_rng(seed)
    sizes = batch_sizes(n_resamples, len(rows.y))
    if aggregate == "pooled":
        return np.concatenate([_pooled_batch(rows, scheme, size, rng) for size in sizes])
    if scheme == "two_stage":
        return np.concatenate([_two_stage_batch(rows, size, rng) for size in sizes])
    values = np.concatenate([rows.table(members, np.ones((1, len(members)))) for members in rows.members])
    times = np.concatenate([_draw_counts(rng, size, len(rows.members)) for size in sizes])
    return ratio(times @ np.nan_to_num(values), times @ ~np.isnan(values))


def _two_stage_batch(rows: _Rows, size: int, rng: np.random.Generator) -> FloatArray:
    """Mean over the drawn subjects of the metrics of the questions drawn within each."""
    times = _draw_counts(rng, size, len(rows.members))
    total = np.zeros((size, len(rows.metrics)))
    defined = np.zeros_like(total)
    for subject, members in enumerate(rows.members):
        resample_of_draw = np.repeat(np.arange(size), times[:, subject].astype(np.int64))
        values = rows.table(members, _draw_counts(rng, len(resample_of_draw), len(members)))
        np.add.at(total, resample_of_draw, np.nan_to_num(values))
        np.add.at(defined, resample_of_draw, ~np.isnan(values))
    return ratio(total, defined)


def _pooled_batch(rows: _Rows, scheme: Scheme, size: int, rng: np.random.Generator) -> FloatArray:
    """Metrics over all drawn rows, each row weighted by how often it was drawn."""
    times = _draw_counts(rng, size, len(rows.members))
    weights = np.zeros((size, len(rows.y)))
    for subject, members in enumerate(rows.members):
        if scheme == "clusters":
            weights[:, members] = times[:, [subject]]
        else:
            resample_of_draw = np.repeat(np.arange(size), times[:, subject].astype(np.int64))
            drawn = np.zeros((size, len(members)))
            np.add.at(drawn, resample_of_draw, _draw_counts(rng, len(resample_of_draw), len(members)))
            weights[:, members] = drawn
    return rows.table(np.arange(len(rows.y)), weights)


def _draw_counts(rng: np.random.Generator, size: int, n: int) -> FloatArray:
    """How often each of `n` items comes up in `n` draws with replacement, `[size, n]`."""
    return counted(drawn_places(rng, size, n))


def _in_order(
    p: FloatArray, y: FloatArray, members: list[IntArray], convention: Convention, metrics: Mapping[str, Metric]
) -> _Rows:
    ordered = [rows[np.lexsort((p[rows], y[rows]))] for rows in members]
    order = np.concatenate(ordered)
    places = np.split(np.arange(len(order)), np.cumsum([len(rows) for rows in ordered])[:-1])
    return _Rows(p[order], y[order], places, convention, metrics)


def _at_least_two(members: list[IntArray]) -> list[IntArray]:
    if len(members) < 2:
        raise ValueError(
            f"Expected `groups` to hold at least two subjects, but got {len(members)}. "
            "Pass the subject of every question; with one subject, pass one label per question and pool."
        )
    return members


def _check_settings(aggregate: str, scheme: str, n_resamples: int, level: float) -> None:
    check_choice("aggregate", aggregate, get_args(Aggregate))
    check_choice("scheme", scheme, get_args(Scheme))
    check_positive("n_resamples", n_resamples)
    check_level(level)
