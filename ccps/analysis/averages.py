"""Averages over models and benchmarks, and how far the reference method is ahead of the strongest other one."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ccps.analysis.data import RESULT_COLUMNS, ReportData
from ccps.analysis.records import Estimate, Setting
from ccps.analysis.resamples import Floats, Resamples
from ccps.metrics import CONTEST

AVERAGE_COLUMNS = ("method", "metric", "value", "ci_low", "ci_high", "n_settings")


class Headline(NamedTuple):
    """How far the reference method is ahead of the strongest other one on a metric, on average over settings."""

    metric: str
    scale: str
    """ "relative" ((a − b) / b) or "points" (a − b), both as fractions."""
    measured: Estimate


def setting_means(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means over seeds of one metric, one row per `Setting`, one column per method; see `mean_of_seeds`."""
    rows = results[results["metric"] == metric]
    by_method = rows.groupby(["model", "benchmark", "method"], sort=False)["value"]
    return by_method.agg(lambda values: mean_of_seeds(metric, values)).unstack("method").astype(float)


def mean_of_seeds(metric: str, values: "pd.Series[float]") -> float:
    """Mean over seeds; missing when any is, but for the metrics of an order, which a seed that is a constant has not.

    Whether such a metric is defined otherwise depends on the answers alone, which are the same for all seeds.
    """
    return float(values.mean(skipna=CONTEST[metric].ranks))


def average(
    means: pd.DataFrame, resamples: Resamples, metric: str, method: str, settings: Sequence[Setting]
) -> Estimate:
    """A metric of one method, averaged over settings; missing when it is in any of them.

    Args:
        means: the table of `setting_means` for this metric, under one convention.
        resamples: of the same convention.
        metric: name of the metric.
        method: name of the method.
        settings: what to average over.
    """
    if method not in means:
        return Estimate()
    value = means[method].reindex(index_of(settings)).mean(skipna=False)
    behind = [(setting, method) for setting in settings]
    return resamples.estimate(float(value), resamples.mean(settings, method, metric), behind)


def gap(
    results: pd.DataFrame,
    resamples: Resamples,
    metric: str,
    scale: str,
    reference: str,
    rivals: Collection[str],
    settings: Sequence[Setting],
    *,
    telling: bool = True,
) -> Estimate:
    """Mean gap of the reference method to the strongest of its rivals, over settings.

    The strongest rival is chosen for each setting by its mean over seeds. The interval takes this choice as given:
    it does not choose anew in every resample, which would compare with the luckiest rival of each.

    Args:
        results: columns `RESULT_COLUMNS`, under one convention.
        resamples: of the same convention.
        metric: name of the metric.
        scale: "relative" or "points".
        reference: the method whose gap is measured.
        rivals: the methods it is compared with.
        settings: what to average over.
        telling: whether rivals must tell right from wrong to count by a metric that constants win; False for published
            figures, which are the gap to whatever has the best value.

    Returns:
        The gap as a fraction; NaN when any setting lacks a value to compare.
    """
    means = setting_means(results, metric).reindex(index_of(settings))
    others = means[[method for method in means if method in rivals]]
    if reference not in means or others.isna().all(axis=1).any():
        return Estimate()
    values, drawn, compared = [], [], []
    best = _best(_telling(others, resamples, metric) if telling else others, metric)
    for setting, rival in zip(settings, best, strict=True):
        row = means.loc[setting]
        values.append(_gap(np.array([row[reference]]), np.array([row[rival]]), scale))
        a, b = (resamples.of(setting, method, metric) for method in (reference, str(rival)))
        drawn.append(None if a is None or b is None else _gap(a, b, scale))
        compared += [(setting, reference), (setting, str(rival))]
    known = [part for part in drawn if part is not None]
    mean = np.mean(known, axis=0) if len(known) == len(drawn) else None
    return resamples.estimate(float(np.mean(values)), mean, compared)


def _telling(means: pd.DataFrame, resamples: Resamples, metric: str) -> pd.DataFrame:
    """The table without the values of rivals that cannot tell right from wrong, for metrics that a constant wins.

    A confidence that hardly varies has the smallest ECE wherever it happens to lie at the base rate. Such are those
    whose interval of the AUROC covers one half, or that have none. Where all of a setting are, they stay.
    """
    if not CONTEST[metric].constant_wins:
        return means
    silent = [[_is_silent(resamples, Setting(*row), str(method)) for method in means] for row in means.index]
    values = np.where(np.array(silent, dtype=np.bool_).reshape(means.shape), np.nan, means)
    none_left = np.isnan(values).all(axis=1, keepdims=True)
    return pd.DataFrame(np.where(none_left, means, values), index=means.index, columns=means.columns)


def _is_silent(resamples: Resamples, setting: Setting, method: str) -> bool:
    drawn = resamples.of(setting, method, "auroc")
    if drawn is None:
        return False
    return is_chance(*resamples.ends(drawn))


def is_chance(low: float, high: float) -> bool:
    """Whether an interval of the AUROC covers one half, or there is none."""
    return bool(np.isnan(low) or low <= 0.5 <= high)


def _best(means: pd.DataFrame, metric: str) -> "pd.Series[str]":
    """The best column of each row."""
    return means.idxmin(axis=1) if CONTEST[metric].lower_is_better else means.idxmax(axis=1)


def _gap(reference: Floats, rival: Floats, scale: str) -> Floats:
    if scale == "points":
        return reference - rival
    return np.divide(reference - rival, rival, out=np.full_like(rival, np.nan), where=rival != 0)


def index_of(settings: Sequence[Setting]) -> pd.MultiIndex:
    """The rows of `setting_means` that belong to these settings."""
    return pd.MultiIndex.from_tuples(settings, names=["model", "benchmark"])


def average_results(data: ReportData, resamples: Resamples) -> pd.DataFrame:
    """Averages over all settings as rows of `RESULT_COLUMNS`, with `reason`; no row where there is one setting only."""
    settings, rows = data.settings, []
    means = {metric: setting_means(data.results, metric) for metric in CONTEST}
    for method in data.methods if len(settings) > 1 else ():
        for metric in CONTEST:
            found = average(means[metric], resamples, metric, method, settings)
            reason = "" if found.known else "it has no value in every setting"
            rows.append((*average_setting(data), _formats(data), method, None, metric, *found[:4], reason))
    return pd.DataFrame(rows, columns=[*RESULT_COLUMNS, "reason"])


def average_setting(data: ReportData) -> Setting:
    """What stands in the place of model and benchmark where all are averaged."""
    return Setting("Average", f"{len(data.settings)} settings")


def _formats(data: ReportData) -> str:
    return ", ".join(dict.fromkeys(str(name) for name in data.results["format"]))


def averages_table(data: ReportData, averages: pd.DataFrame) -> pd.DataFrame:
    """The rows of `average_results` as `AVERAGE_COLUMNS`; `n_settings` counts those in which a method has a value."""
    counts = {metric: setting_means(data.results, metric).notna().sum() for metric in CONTEST}
    known = [int(counts[row.metric].get(row.method, 0)) for row in averages.itertuples(index=False)]
    return averages.assign(n_settings=known)[list(AVERAGE_COLUMNS)]


def headlines(data: ReportData, resamples: Resamples) -> tuple[Headline, ...]:
    """The gaps to the strongest other method over all settings; none where there is no other."""
    if not data.rivals:
        return ()
    return tuple(
        Headline(
            metric.name,
            metric.scale,
            gap(data.results, resamples, metric.name, metric.scale, data.reference, data.rivals, data.settings),
        )
        for metric in CONTEST.values()
    )


def strongest(data: ReportData, resamples: Resamples, metric: str) -> list[str]:
    """The strongest rival of each setting, each named once; chosen as in `gap`."""
    means = setting_means(data.results, metric)
    others = means[[method for method in means if method in data.rivals]].dropna(how="all")
    return [str(method) for method in _best(_telling(others, resamples, metric), metric).drop_duplicates()]
