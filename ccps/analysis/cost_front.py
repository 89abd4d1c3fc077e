"""What each method costs for one question, beside what it achieves."""

import math

import pandas as pd

from ccps.analysis.averages import setting_means
from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting
from ccps.analysis.shown import at
from ccps.metrics import METRICS


def cost_rows(data: ReportData, setting: Setting) -> pd.DataFrame:
    """The costs of all methods in one setting, in the order of the main table."""
    place = {method: number for number, method in enumerate(data.methods)}
    costs = at(data.method_costs, setting)
    return costs.sort_values("method", key=lambda names: names.map(place), kind="stable")


def cost_points(data: ReportData, setting: Setting, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Seconds and metrics of each method that has them all, indexed by method, the reference first."""
    costs = at(data.method_costs, setting).set_index("method")
    points = pd.DataFrame({"seconds": pd.to_numeric(costs["seconds"])})
    for metric in metrics:
        means = setting_means(data.results, metric)
        points[metric] = means.loc[setting] if setting in means.index else math.nan
    points = points.reindex([method for method in data.methods if method in points.index])
    return points[points["seconds"] > 0].dropna()


def front(points: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The methods that none beats in both time and metric, the fastest first.

    Args:
        points: a column `seconds` and one named like the metric.
        metric: name of the metric.
    """
    ordered = points.sort_values(["seconds", metric], ascending=[True, METRICS[metric].lower_is_better])
    best = ordered[metric].cummin() if METRICS[metric].lower_is_better else ordered[metric].cummax()
    return ordered[(ordered[metric] == best) & ~best.duplicated()]
