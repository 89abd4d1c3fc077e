"""How far the reference method is ahead of each other one, in every setting and on average."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import NormalDist

import pandas as pd

from ccps.analysis.averages import average_setting, index_of, setting_means
from ccps.analysis.data import DIFFERENCE_COLUMNS, ReportData
from ccps.analysis.records import Estimate, Setting
from ccps.analysis.resamples import Resamples
from ccps.metrics import CONTEST

POWER = 0.8
"""Probability with which a difference is to be shown."""


def paired_differences(data: ReportData, resamples: Resamples) -> pd.DataFrame:
    """Differences reference − other in every setting, columns `DIFFERENCE_COLUMNS`.

    Each is the difference of two cells of the main table: the mean over the reference's seeds less the mean over the
    other's, whether or not there are as many of them. Its interval is that of the same difference in every resample, so
    that what makes a question hard for both cancels out and the luck of either training does not. A method without a
    result in a setting has no row there.

    Args:
        data: results, and which method is the reference.
        resamples: of the headline convention.
    """
    means, scored = _means(data), set(data.results[["model", "benchmark", "method"]].itertuples(index=False, name=None))
    rows = [
        (*setting, metric, data.reference, other, *_cells(found, data.level))
        for setting in data.settings
        for other in data.methods
        if {(*setting, data.reference), (*setting, other)} <= scored
        for metric, found in _differences(data, resamples, means, [setting], other)
    ]
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def average_differences(data: ReportData, resamples: Resamples) -> pd.DataFrame:
    """The same of the averages over all settings; no row where there is one setting only."""
    means, settings = _means(data), data.settings
    rows = [
        (*average_setting(data), metric, data.reference, other, *_cells(found, data.level))
        for other in (data.methods if len(settings) > 1 and data.reference in data.methods else ())
        for metric, found in _differences(data, resamples, means, settings, other)
    ]
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def _means(data: ReportData) -> Mapping[str, pd.DataFrame]:
    return {metric: setting_means(data.results, metric) for metric in CONTEST}


def _differences(
    data: ReportData,
    resamples: Resamples,
    means: Mapping[str, pd.DataFrame],
    settings: Sequence[Setting],
    other: str,
) -> Iterator[tuple[str, Estimate]]:
    """The difference to one other method on every metric, averaged over settings."""
    if other == data.reference:
        return
    for metric, table in means.items():
        value = math.nan
        if {data.reference, other} <= set(table):
            here = table.reindex(index_of(settings))
            value = float((here[data.reference] - here[other]).mean(skipna=False))
        a, b = (resamples.mean(settings, method, metric) for method in (data.reference, other))
        compared = [(setting, method) for setting in settings for method in (data.reference, other)]
        yield metric, resamples.estimate(value, None if a is None or b is None else a - b, compared)


def detectable_ranges(
    differences: pd.DataFrame, controls: Collection[str]
) -> dict[Setting, dict[str, tuple[float, float]]]:
    """The smallest and the largest of the detectable differences to other methods, by setting and metric, as fractions.

    Args:
        differences: columns `DIFFERENCE_COLUMNS`.
        controls: methods to leave out.
    """
    known = differences[~differences["other"].isin(list(controls))].dropna(subset=["detectable"])
    ranges: dict[Setting, dict[str, tuple[float, float]]] = {}
    for (model, benchmark, metric), rows in known.groupby(["model", "benchmark", "metric"], sort=False):
        found = rows["detectable"].astype(float)
        ranges.setdefault(Setting(str(model), str(benchmark)), {})[str(metric)] = (found.min(), found.max())
    return ranges


def _cells(found: Estimate, level: float) -> tuple[float | str, ...]:
    return (*found[:3], found.error, detectable(found, level), found.reservation)


def detectable(found: Estimate, level: float) -> float:
    """The smallest difference that as many questions would show four times in five (a power of 80 %).

    That is (z of the level + z of the power) standard errors of the paired difference, 2.80 of them at 95 %: a true
    difference of this size has an interval that excludes 0 with this probability (normal approximation).

    Args:
        found: a paired difference.
        level: of its interval.

    Returns:
        NaN where no verdict may rest on the difference: its resamples do not tell its error either.
    """
    z = NormalDist().inv_cdf
    return math.nan if found.reservation else (z((1 + level) / 2) + z(POWER)) * found.error
