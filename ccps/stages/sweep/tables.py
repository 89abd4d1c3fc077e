"""The tables of a sweep's report, from its artifacts."""

from typing import NamedTuple

import pandas as pd

from ccps.analysis.records import Estimate, Setting
from ccps.analysis.resamples import Drawing, Resamples
from ccps.analysis.sweep_data import (
    BEST_COLUMNS,
    CHOSEN,
    ON_TEST,
    PAPER,
    RADIUS_COLUMNS,
    SWEEP_COLUMNS,
    Strength,
)
from ccps.analysis.sweep_radius import radius_ends
from ccps.metrics import METRICS
from ccps.probes import is_collapsed
from ccps.stages.sweep.evaluate import best_point
from ccps.stages.sweep.fit import CROSS_VALIDATION
from ccps.stages.sweep.runs import DirectionRun, SweptFormat


class Choice(NamedTuple):
    """By what strengths were chosen, and how sure that is.

    Attributes:
        metric: of the choice.
        convention: of the calibration error.
        drawing: how training questions are drawn anew.
        resamples: of the tests.
    """

    metric: str
    convention: str
    drawing: Drawing
    resamples: Resamples


def sweep_rows(form: SweptFormat, run: DirectionRun) -> pd.DataFrame:
    """Every point of the grid, as `SWEEP_COLUMNS`."""
    rows = run.grid.rows().to_pandas().rename(columns={"sample": "benchmark"})
    rows = rows.assign(model=form.answers.model, format=form.train.format, direction=run.direction)
    return rows[list(SWEEP_COLUMNS)]


def final_scores(form: SweptFormat, run: DirectionRun) -> pd.DataFrame:
    """The scores of the chosen and the paper's strength on every test, as `ccps.analysis.data.SCORE_COLUMNS`."""
    subjects = pd.concat(
        [
            side.labels.rows().select(["question_id", "subject"]).to_pandas().assign(benchmark=side.label)
            for side in form.tests
        ]
    )
    rows = run.scores[-1].rows().to_pandas().astype({"sample": str, "question_id": str})
    methods = [method_of(run, Strength(*point)) for point in rows[["radius", "steps"]].itertuples(index=False)]
    rows = rows.assign(model=form.answers.model, benchmark=rows["sample"], method=methods)
    return rows.merge(subjects, on=["benchmark", "question_id"])


def method_of(run: DirectionRun, point: Strength) -> str:
    """What plays the part of a method when resamples are drawn."""
    return f"{run.direction}, {point.words}"


def best_rows(
    form: SweptFormat, run: DirectionRun, paper: Strength, choose_by: str, resamples: Resamples
) -> pd.DataFrame:
    """The chosen and the paper's strength with intervals, and what would have been best on each test."""
    grid, finals = run.grid.rows().to_pandas(), run.finals.rows().to_pandas()
    tables = []
    for test in form.tests:
        hindsight = best_point(grid, test.label, choose_by)
        setting = Setting(form.answers.model, test.label)
        for choice, point, rows in (
            (CHOSEN, run.chosen, finals),
            (PAPER, paper, finals),
            (ON_TEST, hindsight, grid),
        ):
            here = rows[(rows["sample"] == test.label) & (rows["radius"] == point.radius)]
            here = here[here["steps"] == point.steps]
            means = here.groupby("metric", sort=False)[["value", "n"]].mean().reset_index()
            # Hindsight is the best of many, and has no interval.
            method = None if choice == ON_TEST else method_of(run, Strength(*point))
            estimates = [
                Estimate(row.value)
                if method is None
                else resamples.estimate(row.value, resamples.of(setting, method, row.metric), [(setting, method)])
                for row in means.itertuples(index=False)
            ]
            tables.append(
                means.assign(
                    model=form.answers.model,
                    benchmark=test.label,
                    format=test.format,
                    direction=run.direction,
                    choice=choice,
                    radius=point.radius,
                    steps=point.steps,
                    ci_low=[estimate.low for estimate in estimates],
                    ci_high=[estimate.high for estimate in estimates],
                    reservation=[estimate.reservation for estimate in estimates],
                    seeds=here["seed"].nunique(),
                    collapsed=here.loc[here["collapsed"], "seed"].nunique(),
                )
            )
    return pd.concat(tables, ignore_index=True)[list(BEST_COLUMNS)]


def radius_rows(
    form: SweptFormat, run: DirectionRun, best: pd.DataFrame, paper: Strength, choice: Choice
) -> pd.DataFrame:
    """The chosen radius with its ends, and what the paper's strength loses against it on each test."""
    metric = choice.metric
    scores = run.scores[0].rows().to_pandas().astype({"sample": str, "question_id": str})
    scores = scores[scores["sample"] == CROSS_VALIDATION]
    dead = scores.groupby(["radius", "steps"])["spread"].transform("min").map(is_collapsed)
    low, high = radius_ends(scores[~dead], metric, choice.convention, choice.drawing)
    here = (best["model"] == form.answers.model) & (best["direction"] == run.direction) & (best["metric"] == metric)
    rows = []
    for test in form.tests:
        on_test = best[here & (best["benchmark"] == test.label)].set_index("choice")
        own, usual = on_test.loc[CHOSEN], on_test.loc[PAPER]
        lost = _lost(choice, Setting(form.answers.model, test.label), run, paper, float(usual["value"] - own["value"]))
        rows.append(
            {
                "benchmark": test.label,
                **own[["n", "value", "ci_low", "ci_high"]],
                "paper": usual["value"],
                "lost": lost.value,
                "lost_low": lost.low,
                "lost_high": lost.high,
                "reservation": lost.reservation,
            }
        )
    return pd.DataFrame(rows).assign(
        model=form.answers.model,
        format=form.train.format,
        direction=run.direction,
        radius=run.chosen.radius,
        radius_low=low,
        radius_high=high,
        steps=run.chosen.steps,
    )[list(RADIUS_COLUMNS)]


def _lost(choice: Choice, setting: Setting, run: DirectionRun, paper: Strength, difference: float) -> Estimate:
    """How much worse the paper's strength is than the chosen one, on the same resamples."""
    sign = 1 if METRICS[choice.metric].lower_is_better else -1
    own, usual = (
        choice.resamples.of(setting, method_of(run, Strength(*point)), choice.metric) for point in (run.chosen, paper)
    )
    drawn = None if own is None or usual is None else sign * (usual - own)
    compared = [(setting, method_of(run, Strength(*point))) for point in (run.chosen, paper)]
    found = choice.resamples.estimate(sign * difference, drawn, compared)
    return found if tuple(run.chosen) != tuple(paper) else found._replace(reservation="the paper's own")


def flip_rows(form: SweptFormat) -> pd.DataFrame:
    """The smallest flip radius of each answer that is known to be right or wrong."""
    tables = []
    for side, flips in zip(form.tests, form.flips, strict=True):
        radius = flips.rows().to_pandas().groupby("question_id", sort=False)["flip_radius"].min().reset_index()
        grades = side.labels.rows().select(["question_id", "correct"]).to_pandas().dropna(subset="correct")
        merged = radius.merge(grades, on="question_id").astype({"correct": bool})
        tables.append(merged.assign(model=form.answers.model, benchmark=side.label))
    return pd.concat(tables, ignore_index=True)
