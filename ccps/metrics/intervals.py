"""Bootstrap intervals clustered by subject.

Questions of one subject resemble each other, so they do not count as independent. Each resample therefore
draws whole subjects with replacement. The spread of a mean over subjects then already holds the noise of the
questions within each subject; the second stage of `two_stage` adds that noise once more, which gives wider,
conservative intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from ccps.metrics.conventions import Convention, find_convention
from ccps.metrics.evaluate import METRICS, evaluate, metric_table
from ccps.metrics.inputs import (
    FloatArray,
    IntArray,
    batch_sizes,
    check_choice,
    check_positive,
    checked_probabilities,
    checked_scores,
    group_members,
    ratio,
)

Aggregate = Literal["macro", "pooled"]
Scheme = Literal["clusters", "two_stage"]


class Interval(NamedTuple):
    """A metric with its percentile interval."""

    value: float
    """The metric on the data itself."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""
    undefined: int
    """Resamples in which the metric is undefined; the ends are quantiles of the others."""


class Difference(NamedTuple):
    """The difference of a metric between two methods, first minus second, with its percentile interval."""

    value: float
    """The difference on the data itself."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""
    p_value: float
    """Sign probability: 2(k + 1)/(resamples + 1), at most 1, k the resamples on the rarer side of zero."""
    undefined: int
    """Resamples in which the difference is undefined."""


@dataclass(frozen=True)
class _Rows:
    """Rows in an order that depends on their content only, so that a seed draws the same ones again."""

    scores: list[FloatArray]
    y: FloatArray
    members: list[IntArray]
    convention: Convention

    def table(self, rows: IntArray, weights: FloatArray) -> FloatArray:
        """The five metrics of every method, `[methods, resamples, 5]`."""
        y = self.y[rows]
        return np.stack([metric_table(p[rows], y, weights, self.convention) for p in self.scores])


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
) -> Mapping[str, Interval]:
    """Percentile intervals of the five metrics, clustered by subject.

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

    Returns:
        An interval for each of `METRICS`. It does not depend on the order of the rows.

    Raises:
        ValueError: if the arguments are not as above.
    """
    _check_settings(aggregate, scheme, n_resamples, level)
    p, y = checked_scores(p_correct, correct)
    chosen, members = find_convention(convention), _at_least_two(group_members(groups, len(y)))
    (resampled,) = _resample(_in_order([p], y, members, chosen), aggregate, scheme, n_resamples, seed)
    value = evaluate(p, y, chosen, groups=groups if aggregate == "macro" else None)
    return {
        metric: Interval(value[metric], *_ends(column, level), int(np.isnan(column).sum()))
        for metric, column in zip(METRICS, resampled.T, strict=True)
    }


def paired_difference(
    p_a: npt.ArrayLike,
    p_b: npt.ArrayLike,
    correct: npt.ArrayLike,
    groups: npt.ArrayLike | Sequence[object],
    convention: str | Convention = "ct",
    *,
    seed: int,
    aggregate: Aggregate = "macro",
    scheme: Scheme = "clusters",
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Mapping[str, Difference]:
    """How much two methods differ on the same questions: metric of `p_a` minus metric of `p_b`.

    Both methods see the same resamples, so what makes a subject hard for both cancels out.

    Args:
        p_a: P(the answer is correct) by the first method, `[n]`, in [0, 1].
        p_b: the same by the second method.
        correct: whether it was, `[n]`, 0, 1 or booleans.
        groups: subject of each row, `[n]`; at least two subjects.
        convention: as in `bootstrap`, and so are the settings that follow.
        seed: seed of the resampling.
        aggregate: `macro` or `pooled`.
        scheme: `clusters` or `two_stage`.
        n_resamples: number of resamples.
        level: probability that the interval is to hold.

    Returns:
        A difference for each of `METRICS`.

    Raises:
        ValueError: if the arguments are not as above.
    """
    _check_settings(aggregate, scheme, n_resamples, level)
    checked_probabilities(p_a, "p_a")
    checked_probabilities(p_b, "p_b")
    a, y = checked_scores(p_a, correct)
    b, _ = checked_scores(p_b, correct)
    chosen, members = find_convention(convention), _at_least_two(group_members(groups, len(y)))
    rows = _in_order([a, b], y, members, chosen)
    resampled_a, resampled_b = _resample(rows, aggregate, scheme, n_resamples, seed)
    value_a, value_b = (evaluate(p, y, chosen, groups=groups if aggregate == "macro" else None) for p in (a, b))
    return {
        metric: Difference(
            value_a[metric] - value_b[metric],
            *_ends(column, level),
            _sign_probability(column),
            int(np.isnan(column).sum()),
        )
        for metric, column in zip(METRICS, (resampled_a - resampled_b).T, strict=True)
    }


def _resample(rows: _Rows, aggregate: Aggregate, scheme: Scheme, n_resamples: int, seed: int) -> FloatArray:
    """The five metrics of every method in every resample, `[methods, resamples, 5]`."""
    rng = np.random.default_rng(seed)
    one_batch = _macro_batch if aggregate == "macro" else _pooled_batch
    batches = [one_batch(rows, scheme, size, rng) for size in batch_sizes(n_resamples, len(rows.y))]
    return np.concatenate(batches, axis=1)


def _macro_batch(rows: _Rows, scheme: Scheme, size: int, rng: np.random.Generator) -> FloatArray:
    """Mean over the drawn subjects of each subject's own metrics."""
    times = _draw_counts(rng, size, len(rows.members))
    total = np.zeros((size, len(rows.scores), len(METRICS)))
    defined = np.zeros_like(total)
    for subject, members in enumerate(rows.members):
        resample_of_draw = np.repeat(np.arange(size), times[:, subject].astype(np.int64))
        fixed = scheme == "clusters"
        weights = np.ones((1, len(members))) if fixed else _draw_counts(rng, len(resample_of_draw), len(members))
        values = rows.table(members, weights).swapaxes(0, 1)
        values = np.broadcast_to(values, (len(resample_of_draw), *values.shape[1:]))
        np.add.at(total, resample_of_draw, np.nan_to_num(values))
        np.add.at(defined, resample_of_draw, ~np.isnan(values))
    return ratio(total, defined).swapaxes(0, 1)


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
    cell = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
    return np.bincount(cell.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def _in_order(scores: list[FloatArray], y: FloatArray, members: list[IntArray], convention: Convention) -> _Rows:
    ordered = [rows[np.lexsort((*(p[rows] for p in scores), y[rows]))] for rows in members]
    order = np.concatenate(ordered)
    places = np.split(np.arange(len(order)), np.cumsum([len(rows) for rows in ordered])[:-1])
    return _Rows([p[order] for p in scores], y[order], places, convention)


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
    if not 0 < level < 1:
        raise ValueError(f"Expected `level` to lie between 0 and 1, but got {level}. Use 0.95, say.")


def _ends(values: FloatArray, level: float) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if not len(defined):
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _sign_probability(values: FloatArray) -> float:
    defined = values[~np.isnan(values)]
    if not len(defined):
        return np.nan
    rarer = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(defined) + 1)))
