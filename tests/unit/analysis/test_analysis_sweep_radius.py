"""The best radius with its interval, held against a choice made anew by hand."""

import numpy as np
import pandas as pd
import pytest
from sweep_tables import sweep_data

from ccps.analysis.resamples import Drawing
from ccps.analysis.sweep_radius import best_radii, radius_ends

DRAWING = Drawing(200, 23, 0.9)


def scores(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    correct = rng.random(n) < 0.5
    tables = []
    for radius, noise in ((1.0, 0.30), (5.0, 0.28), (20.0, 0.29), (100.0, 2.0)):
        for seed in (23, 24):
            p = np.clip(correct * 0.6 + 0.2 + noise * rng.standard_normal(n), 0, 1)
            tables.append(
                pd.DataFrame(
                    {"question_id": [f"q{index:02}" for index in range(n)], "p_correct": p, "correct": correct}
                )
                .assign(radius=radius, steps=5, seed=seed)
                .sample(frac=1, random_state=seed)
            )
    return pd.concat(tables, ignore_index=True)


def test_the_ends_are_those_of_the_choice_made_anew_in_each_resample() -> None:
    rows = scores()
    times = DRAWING.times("training questions of the choice", 60)
    wide = rows.assign(loss=(rows["p_correct"] - rows["correct"]) ** 2)
    by_question = wide.pivot_table(index="question_id", columns="radius", values="loss")  # means over the two seeds
    best = [by_question.columns[(drawn @ by_question.to_numpy()).argmin()] for drawn in times]
    found = radius_ends(rows, "brier", "ct", DRAWING)
    ordered = np.sort(best)
    assert found[0] in ordered[[9, 10]]
    assert found[1] in ordered[[189, 190]]
    assert 100.0 not in best


def test_ends_without_a_defined_metric_are_nan() -> None:
    rows = scores()
    assert np.isnan(radius_ends(rows.assign(correct=True), "auroc", "ct", DRAWING)).all()


def test_best_radii_come_with_their_tests() -> None:
    (found,) = best_radii(sweep_data())
    assert (found.model, found.direction, found.radius, found.low, found.high) == ("m", "gradient", 5.0, 5.0, 20.0)
    assert found.tests["lost"].tolist() == [pytest.approx(0.05)]
