"""Choosing a strength, and the folds that it is chosen on."""

import numpy as np
import pandas as pd
import pytest

from ccps.core.errors import UserError
from ccps.stages.sweep.evaluate import best_point
from ccps.stages.sweep.fit import folds_of


def test_best_point_knows_which_way_is_better() -> None:
    rows = pd.DataFrame(
        [
            (radius, 5, seed, "boats", metric, value + (0.01 if seed else 0), False)
            for radius, value in ((1.0, 0.3), (2.0, 0.2), (4.0, 0.2), (8.0, float("nan")))
            for seed in (0, 1)
            for metric in ("brier", "auroc")
        ],
        columns=["radius", "steps", "seed", "sample", "metric", "value", "collapsed"],
    )
    assert best_point(rows, "boats", "brier") == (2.0, 5)
    assert best_point(rows, "boats", "auroc") == (1.0, 5)
    with pytest.raises(UserError, match="Expected `ece` to be defined"):
        best_point(rows.assign(metric="ece", value=float("nan")), "boats", "ece")


def test_a_strength_with_a_collapsed_probe_is_no_best_one() -> None:
    rows = pd.DataFrame(
        [(1.0, 5, 23, 0.1, False), (1.0, 5, 24, 0.1, True), (2.0, 5, 23, 0.2, False), (2.0, 5, 24, 0.2, False)],
        columns=["radius", "steps", "seed", "value", "collapsed"],
    ).assign(sample="boats", metric="brier")
    assert best_point(rows, "boats", "brier") == (2.0, 5)
    with pytest.raises(UserError, match="at every strength one gives one P for every answer"):
        best_point(rows.assign(collapsed=True), "boats", "brier")


def test_folds_are_alike_and_hold_every_answer_once() -> None:
    correct = np.arange(31) % 5 == 0
    fold = folds_of(correct, 3)
    for number in range(3):
        assert abs((fold == number).sum() - 31 / 3) < 1
        assert abs((correct & (fold == number)).sum() - 7 / 3) < 1
    assert (folds_of(correct, 0) == 0).all()
