"""The first screen: the best radius of each model, and what is lost at another."""

import math
from typing import Any

import pandas as pd

from ccps.analysis.sweep_data import SweepData
from ccps.analysis.sweep_radius import BestRadius, best_radii
from ccps.core.text import DASH, interval, level_words, percent
from ccps.metrics import CONTEST
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table

FORMATS = {"mc": "multiple choice", "oe": "open-ended"}


def headline(data: SweepData) -> str:
    """Which radius, per model, and what the paper's costs at worst; along the first direction."""
    found = list(best_radii(data))
    along = [one for one in found if one.direction == found[0].direction]
    radii = "; ".join(f"{one.model} ({FORMATS[one.format]}) {_radius(one)}" for one in along)
    costs = pd.concat([one.tests for one in along]).dropna(subset="lost_low")
    costs = costs[costs["reservation"] == ""]
    words = f"Best radius along {along[0].direction}: {radii}."
    if costs.empty:
        return words
    worst = costs.loc[costs["lost"].idxmax()]
    clear = int((costs["lost_low"] > 0).sum())
    return (
        f"{words} At {_paper(data)}, {CONTEST[data.choose_by].label} is worse by {_points(worst)} points at most "
        f"({worst['model']} on {worst['benchmark']}), and by more than chance in {clear} of {len(costs)} cases."
    )


def radius_section(data: SweepData) -> Section:
    """A row for each model, direction and test."""
    label = CONTEST[data.choose_by].label
    head = ["Model", "Direction", "Best radius", "Steps", "Test", "n", f"{label} there", f"{label} at {_paper(data)}"]
    rows = [_row(one, test) for one in best_radii(data) for _, test in one.tests.iterrows()]
    table = Table("", [*head, "Lost, points"], rows, "lllrlr")
    return Section("radius", "The best radius of each model", tables=[table], notes=[_explained(data)], link="Radius")


def _row(one: BestRadius, test: "pd.Series[Any]") -> list[str]:
    return [
        f"{one.model}, {FORMATS[one.format]}",
        one.direction,
        _radius(one),
        str(one.steps),
        str(test["benchmark"]),
        f"{test['n']:,.0f}",
        f"{percent(test['value'])} % {interval(test['ci_low'], test['ci_high'])}".strip(),
        f"{percent(test['paper'])} %",
        _points(test),
    ]


def _radius(one: BestRadius) -> str:
    if math.isnan(one.low):
        return f"{one.radius:g}"
    return f"{one.radius:g} [{one.low:g}, {one.high:g}]"


def _points(test: "pd.Series[Any]") -> str:
    if math.isnan(test["lost"]):
        return DASH
    words = f"({test['reservation']})" if test["reservation"] else interval(test["lost_low"], test["lost_high"])
    return f"{percent(test['lost'])} {words}".strip()


def _paper(data: SweepData) -> str:
    return f"the paper's {data.paper.radius:g}"


def _explained(data: SweepData) -> str:
    return (
        f"The best strength is that of the best {CONTEST[data.choose_by].label} on {data.folds} folds of the training "
        f"questions. Behind it stand the radii between which it lies in {level_words(data.level)} of resamples of "
        "these questions, the probes staying as they are: an interval over most of the grid says that the radius "
        f"hardly matters. Lost is the difference to {data.paper.words} on the test, on the same resamples of questions "
        "and seeds; above 0 the best strength is better."
    )
