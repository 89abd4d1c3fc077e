import math

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression

from ccps.analysis.deliberation import FEWEST, halves, marker_effect, marker_rows


def _sentences(effect: float = -0.2, *, problems: int = 8, length: int = 40, seed: int = 0) -> pd.DataFrame:
    """Traces of two models whose level of confidence differs, with one marker that takes some of it away."""
    rng = np.random.default_rng(seed)
    parts = []
    for model in ("m1", "m2"):
        for problem in range(problems):
            has = rng.random(length) < 0.3
            words = rng.integers(3, 30, length)
            place = np.linspace(0, 1, length)
            level = rng.uniform(0.4, 0.6)
            c = level + effect * has + 0.004 * words - 0.1 * place + rng.normal(0, 0.02, length)
            columns = {"place": place, "words": words, "has": has, "c": c.clip(0, 1)}
            parts.append(
                pd.DataFrame(columns).assign(model=model, problem=f"p{problem}", trace_id=f"{model}/p{problem}")
            )
    return pd.concat(parts, ignore_index=True)


def _by_regression(table: pd.DataFrame, *further: NDArray[np.float64]) -> float:
    """The coefficient of the marker by scikit-learn, with a column for each trace."""
    dummies = pd.get_dummies(table["trace_id"]).to_numpy(np.float64)
    x = np.column_stack([table["has"].to_numpy(np.float64), dummies, *further])
    return float(LinearRegression(fit_intercept=False).fit(x, table["c"]).coef_[0])


def test_differences_are_those_of_a_regression_with_an_intercept_for_each_trace() -> None:
    table = _sentences()
    found = marker_effect(table, table["has"], "c")
    assert found.difference.value == pytest.approx(_by_regression(table))
    length, place = np.log1p(table["words"].to_numpy(np.float64)), table["place"].to_numpy(np.float64)
    assert found.adjusted.value == pytest.approx(_by_regression(table, length, place))
    assert found.with_marker.value == pytest.approx(table["c"][table["has"]].mean())
    assert found.difference.n == table["has"].sum()
    assert found.difference.low < found.difference.value < found.difference.high


def test_a_level_that_differs_from_trace_to_trace_is_no_difference() -> None:
    table = _sentences(effect=0.0)
    # Who hedges much is unsure throughout: across traces the marker tells, within them it does not.
    often = table["problem"].isin(["p0", "p1", "p2", "p3"]).to_numpy()
    rng = np.random.default_rng(1)
    table["has"] = rng.random(len(table)) < np.where(often, 0.6, 0.1)
    table["c"] = np.where(often, 0.2, 0.8) + rng.normal(0, 0.01, len(table))
    found = marker_effect(table, table["has"], "c")
    assert abs(found.difference.value) < 0.005
    assert found.with_marker.value < 0.5


def test_the_interval_is_by_problem() -> None:
    # The same sentences a hundred times over in each problem tell no more about other problems.
    table = _sentences(problems=4)
    again = pd.concat([table] * 20, ignore_index=True)
    one, many = (marker_effect(part, part["has"], "c").difference for part in (table, again))
    assert many.value == pytest.approx(one.value)
    assert (many.low, many.high) == pytest.approx((one.low, one.high))


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    covered = []
    for seed in range(60):
        table = _sentences(problems=20, length=20, seed=seed)
        found = marker_effect(table, table["has"], "c").adjusted
        covered.append(found.low <= -0.2 <= found.high)
    assert sum(covered) >= 50


def test_too_few_sentences_say_nothing() -> None:
    table = _sentences()
    few = np.zeros(len(table), dtype=bool)
    few[: FEWEST - 1] = True
    found = marker_effect(table, few, "c")
    assert math.isnan(found.difference.value)
    assert found.difference.n == FEWEST - 1
    assert math.isnan(marker_effect(table, np.ones(len(table), dtype=bool), "c").difference.value)


def test_missing_confidences_are_left_out() -> None:
    table = _sentences()
    gaps = table.copy()
    gaps.loc[::3, "c"] = np.nan
    known = gaps[gaps["c"].notna()]
    assert marker_effect(gaps, gaps["has"], "c") == marker_effect(known, known["has"], "c")


def test_halves_share_no_problem_and_leave_none_out() -> None:
    first, other = halves(["b", "a", "c", "a", "e", "d"])
    assert (first, other) == (["a", "c", "e"], ["b", "d"])


def test_what_holds_is_found_and_what_does_not_is_refused() -> None:
    table = _sentences(problems=12)
    rng = np.random.default_rng(2)
    # In this model alone the second marker goes with confidence; the third with nothing.
    only = (rng.random(len(table)) < 0.3) & True
    table.loc[only & (table["model"] == "m1"), "c"] -= 0.3
    marked = {
        "real": table["has"],
        "one model": only,
        "chance": rng.random(len(table)) < 0.3,
        "rare": np.arange(len(table)) < 3,
    }
    rows = {row.marker: row for row in marker_rows(table, marked, "c")}
    assert {name: row.holds for name, row in rows.items()} == {
        "real": True,
        "one model": False,
        "chance": False,
        "rare": None,
    }
    first, other = halves(list(table["problem"]))
    part = table[table["problem"].isin(other) & (table["model"] == "m2")]
    assert rows["real"].tested["m2"] == marker_effect(part, part["has"], "c")
    part = table[table["problem"].isin(first)]
    assert rows["real"].found == marker_effect(part, part["has"], "c")
