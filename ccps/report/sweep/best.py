"""The best strengths: a table, and what it says in sentences."""

from typing import Any

import pandas as pd

from ccps.analysis.sweep_choices import Choices, choices, strength_of
from ccps.analysis.sweep_data import Place, SweepData
from ccps.core.text import DASH, interval, level_words, percent
from ccps.metrics import CONTEST
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table


def best_section(data: SweepData) -> Section:
    """Place, direction, choice, strength, and the metrics with intervals."""
    head = ["Setting", "Direction", "Strength", "Point", *(metric.heading for metric in CONTEST.values())]
    table = Table("", head, _rows(data), "llll")
    return Section("best", "Best strengths", [], [table], [_explained(data)], points=sentences(data))


def sentences(data: SweepData) -> list[str]:
    """What the sweep has found, a sentence for each place and direction."""
    return [_sentence(data, found) for found in choices(data)]


def _sentence(data: SweepData, found: Choices) -> str:
    metric, own = CONTEST[data.choose_by], strength_of(found.chosen)
    usual = f"against {_figure(found.paper.loc[metric.name])} at the paper's {data.paper.words}"
    against = "which is the paper's own" if own == data.paper else usual
    best = percent(float(found.hindsight["value"].loc[metric.name]))
    return (
        f"{found.place.heading}, {found.direction}: {own.words} is chosen on {data.folds} training folds by "
        f"{metric.label}; on the test its {metric.label} is {_figure(found.chosen.loc[metric.name])}, {against}. With "
        f"hindsight {strength_of(found.hindsight).words} would have been best on the test ({best} %, by the grid's own "
        "fits)."
    )


def _figure(row: "pd.Series[Any]") -> str:
    """The value with its interval, or with why that says nothing."""
    words = f"({row['reservation']})" if row["reservation"] else interval(row["ci_low"], row["ci_high"])
    return f"{percent(row['value'])} % {words}".strip()


def _rows(data: SweepData) -> list[list[str]]:
    rows = []
    keys = ["model", "benchmark", "direction", "choice"]
    for (model, benchmark, direction, choice), group in data.best.groupby(keys, sort=False):
        by_metric = group.set_index("metric")
        cells = [_figure(by_metric.loc[metric]) if metric in by_metric.index else DASH for metric in CONTEST]
        place = Place(str(model), str(benchmark)).heading
        rows.append([place, str(direction), str(choice), strength_of(group).words, *cells])
    return rows


def _explained(data: SweepData) -> str:
    return (
        f"Intervals hold {level_words(data.level)} and are over subjects and seeds; figures are means over seeds, "
        f"calibration error by the convention {data.convention}. Strengths were chosen by "
        f"{CONTEST[data.choose_by].label} on {data.folds} folds of the training questions, by probes that had not seen "
        "the fold; no test question took part. The row with hindsight is no result: it says what the choice may have "
        "cost, from the grid's own seeds, without an interval."
    )
