import numpy as np
import pandas as pd
import pytest
from sweep_tables import sweep_data

from ccps.analysis.sweep_choices import best_value, by_radius, choices, chosen_strength, flips_of, grid_means
from ccps.analysis.sweep_data import Place, Strength

HERE = Place("m", "boats")


def test_each_place_and_direction_has_its_choices() -> None:
    (one,) = choices(sweep_data())
    assert (one.place, one.direction) == (HERE, "gradient")
    assert one.chosen.loc["brier", "value"] == pytest.approx(0.2)
    assert one.paper.loc["brier", "value"] == pytest.approx(0.25)
    assert one.hindsight.loc["brier", ["ci_low", "ci_high"]].isna().all()
    assert chosen_strength(sweep_data(), HERE, "gradient") == Strength(5.0, 2)
    assert chosen_strength(sweep_data(), HERE, "random") is None


def test_means_over_seeds_and_the_best_of_them_by_the_metrics_direction() -> None:
    rows = sweep_data().at(HERE)
    assert by_radius(rows, "gradient", "auroc").to_dict() == pytest.approx({5.0: 0.65, 20.0: 0.75})
    means = grid_means(rows, "auroc")
    assert (means.index.tolist(), means.columns.tolist()) == ([2], [5.0, 20.0])
    assert best_value(rows, "auroc") == pytest.approx(0.75)
    assert best_value(rows, "ece") == pytest.approx(0.1)
    undefined = rows.assign(value=np.nan)
    assert np.isnan(best_value(undefined, "auroc"))


def test_flips_of_right_and_wrong_answers_are_counted_apart() -> None:
    right, wrong = flips_of(sweep_data(), HERE)
    assert (right.correct, right.n, right.never, right.already, right.median) == (True, 3, 1, 1, 2.0)
    assert right.finite.tolist() == [2.0]
    assert (wrong.n, wrong.never, np.isinf(wrong.median)) == (2, 2, True)
    none = sweep_data(flips=pd.DataFrame([("m", "boats", "q", 1.0, True)], columns=sweep_data().flips.columns))
    assert flips_of(none, HERE)[1].n == 0
