"""The strengths that a sweep has chosen, and how metrics go with the strength."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.analysis.sweep_data import CHOSEN, ON_TEST, PAPER, Place, Strength, SweepData
from ccps.metrics import METRICS

Floats = npt.NDArray[np.float64]


class Choices(NamedTuple):
    """The strengths of one place and direction; tables by metric, of the columns `BEST_COLUMNS`."""

    place: Place
    direction: str
    chosen: pd.DataFrame
    paper: pd.DataFrame
    hindsight: pd.DataFrame


def choices(data: SweepData) -> Iterator[Choices]:
    """What was chosen on the training folds, the paper's strength, and the best with hindsight."""
    for model, benchmark, direction in (
        data.best[["model", "benchmark", "direction"]].drop_duplicates().itertuples(index=False, name=None)
    ):
        place = Place(str(model), str(benchmark))
        tables = [_best(data, place, str(direction), choice).set_index("metric") for choice in (CHOSEN, PAPER, ON_TEST)]
        yield Choices(place, str(direction), *tables)


def strength_of(rows: pd.DataFrame) -> Strength:
    """The one strength of some rows of `best`."""
    return Strength(float(rows["radius"].iloc[0]), int(rows["steps"].iloc[0]))


def chosen_strength(data: SweepData, place: Place, direction: str) -> Strength | None:
    """What was chosen on the training folds; None where nothing was."""
    here = _best(data, place, direction, CHOSEN)
    return None if here.empty else strength_of(here)


def _best(data: SweepData, place: Place, direction: str, choice: str) -> pd.DataFrame:
    best = data.best
    here = (best["model"] == place.model) & (best["benchmark"] == place.benchmark)
    return best[here & (best["direction"] == direction) & (best["choice"] == choice)]


def by_radius(rows: pd.DataFrame, direction: str, metric: str) -> "pd.Series[float]":
    """Means over seeds of one metric along one direction, by radius."""
    line = rows[(rows["direction"] == direction) & (rows["metric"] == metric)]
    return line.groupby("radius")["value"].mean()


def collapsed_radii(rows: pd.DataFrame, direction: str) -> list[float]:
    """Where along one direction a probe gives one P for every answer."""
    dead = rows[(rows["direction"] == direction) & rows["collapsed"].astype(bool)]
    return sorted(dead["radius"].unique().tolist())


def grid_means(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means over seeds of one metric, by steps (rows) and radius (columns)."""
    here = rows[rows["metric"] == metric]
    return here.pivot_table(index="steps", columns="radius", values="value", dropna=False)


def best_value(rows: pd.DataFrame, metric: str) -> float:
    """The best of these means; NaN where none is defined."""
    means = pd.Series(grid_means(rows, metric).to_numpy().ravel())
    return float(means.min() if METRICS[metric].lower_is_better else means.max())


class Flips(NamedTuple):
    """At which radii the first choice of right, or of wrong, answers is overtaken."""

    correct: bool
    n: int
    never: int
    already: int
    """Answers whose first choice is overtaken at radius 0."""
    median: float
    """Infinite where half of them never flip."""
    finite: Floats
    """The radii above 0 of those that flip."""


def flips_of(data: SweepData, place: Place) -> list[Flips]:
    """Of right answers, then of wrong ones."""
    here = data.flips[(data.flips["model"] == place.model) & (data.flips["benchmark"] == place.benchmark)]
    found = []
    for correct in (True, False):
        radius = here.loc[here["correct"] == correct, "flip_radius"].to_numpy(float)
        never, already = int(np.isinf(radius).sum()), int((radius == 0).sum())
        median = float(np.median(radius)) if len(radius) else np.nan
        found.append(Flips(correct, len(radius), never, already, median, radius[np.isfinite(radius) & (radius > 0)]))
    return found
