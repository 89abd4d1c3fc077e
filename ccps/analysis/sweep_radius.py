"""The best radius of a sweep, how sure it is, and what another costs."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from ccps.analysis.resamples import Drawing
from ccps.analysis.sweep_data import SweepData
from ccps.metrics import METRICS
from ccps.metrics.conventions import find_convention


def radius_ends(scores: pd.DataFrame, metric: str, convention: str, drawing: Drawing) -> tuple[float, float]:
    """Between which radii the best one lies if the training questions are drawn anew.

    Each time the strength is chosen afresh from the same probes, so the luck of their training is not in it.

    Args:
        scores: radius, steps, seed, question_id, p_correct and correct of answers that a probe had not seen; every
            strength and seed has the same answers.
        metric: by which the strength is chosen.
        convention: of the calibration error.
        drawing: how often, with which seed, and the level.

    Returns:
        The ends of the percentile interval, both radii of the grid; NaN where the metric is defined in no resample.
    """
    measure, lower = METRICS[metric].measure, METRICS[metric].lower_is_better
    ids = np.sort(scores["question_id"].unique())
    times = drawing.times("training questions of the choice", len(ids))
    radii, values = [], []
    for (radius, _), point in scores.groupby(["radius", "steps"], sort=True):
        by_seed = []
        for _, rows in point.groupby("seed"):
            rows = rows.sort_values("p_correct")
            weights = times[:, np.searchsorted(ids, rows["question_id"])]
            p, y = rows["p_correct"].to_numpy(float), rows["correct"].to_numpy(float)
            by_seed.append(measure(p, y, weights, find_convention(convention)))
        radii.append(float(radius))
        values.append(np.mean(by_seed, axis=0))
    worst = np.where(np.isnan(values), np.inf, np.array(values) * (1 if lower else -1))
    defined = np.isfinite(worst).any(axis=0)
    if not defined.any():
        return np.nan, np.nan
    best = np.array(radii)[worst[:, defined].argmin(axis=0)]
    tail = (1 - drawing.level) / 2
    low, high = np.quantile(best, [tail, 1 - tail], method="closest_observation")
    return float(low), float(high)


class BestRadius(NamedTuple):
    """One model's best strength along one direction, and what it brings on each test.

    `tests` has the columns benchmark, value, ci_low, ci_high, paper, lost, lost_low, lost_high and
    reservation.
    """

    model: str
    format: str
    direction: str
    radius: float
    low: float
    high: float
    steps: int
    tests: pd.DataFrame


def best_radii(data: SweepData) -> Iterator[BestRadius]:
    """By model, format and direction, in the order of the sweep."""
    for (model, form, direction), rows in data.radii.groupby(["model", "format", "direction"], sort=False):
        first = rows.iloc[0]
        ends = float(first["radius"]), float(first["radius_low"]), float(first["radius_high"])
        yield BestRadius(str(model), str(form), str(direction), *ends, int(first["steps"]), rows)
