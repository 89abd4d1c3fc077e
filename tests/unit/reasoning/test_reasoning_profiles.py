import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from reasoning_tables import NAN, random_cell, steps_of, traces_of

from ccps.reasoning.profiles import RELIABILITY_COLUMNS, TRAJECTORY_COLUMNS, reliability, trajectory, worst
from ccps.reasoning.scoring import score_traces


def test_trajectory_by_hand() -> None:
    steps = pd.concat(
        [
            steps_of("a", [0.0, 0.2, 0.4, 0.6, 1.0], deepconf=[0.0, 0.2, NAN, 0.6, 0.5]),
            steps_of("b", [0.4, 0.8], deepconf=[0.4, 0.8]),
            steps_of("c", [0.8], deepconf=[NAN]),
        ]
    )
    table = trajectory(steps, ["deepconf"], 2)
    assert tuple(table) == TRAJECTORY_COLUMNS
    rows = table.set_index(["score", "bin"])
    # Positions 0, ¼ | ½, ¾, 1 of a; 0 | 1 of b; 0 of c.
    early = [0.1, 0.4, 0.8]
    assert rows.loc[("decisiveness", 0), "mean"] == pytest.approx(np.mean(early))
    assert rows.loc[("decisiveness", 0), "se"] == pytest.approx(np.std(early, ddof=1) / math.sqrt(3))
    assert rows.loc[("decisiveness", 0), "n"] == 3
    assert rows.loc[("decisiveness", 1), "mean"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert rows.loc[("confidence_deepconf", 0), ["mean", "n"]].tolist() == pytest.approx([0.25, 2])
    assert rows.loc[("faithfulness_deepconf", 1), "mean"] == pytest.approx(((1 + 0.5) / 2 + 1) / 2)
    assert rows["position"].unstack().iloc[0].tolist() == [0.25, 0.75]


def test_trajectory_edges() -> None:
    # Steps 0 to 10 stand at tenths; each begins the bin of its own, the last one closes the last bin.
    values: Any = np.arange(11) / 10
    table = trajectory(steps_of("a", values, deepconf=values), ["deepconf"]).set_index(["score", "bin"])
    assert table.loc["decisiveness", "mean"].tolist() == pytest.approx([*values[:9], 0.95])
    assert table["se"].isna().all()
    only = trajectory(steps_of("a", [0.3], deepconf=[0.4]), ["deepconf"])
    assert only["bin"].tolist() == [0, 0, 0]
    assert trajectory(steps_of("a", [], deepconf=[]), ["deepconf"]).empty
    assert trajectory(steps_of("a", [NAN], deepconf=[NAN]), ["deepconf"]).empty
    with pytest.raises(ValueError, match="`bins` to be at least 1"):
        trajectory(steps_of("a", [0.3]), [], 0)


def test_reliability_by_hand() -> None:
    steps = pd.concat(
        [
            steps_of("a", [0.1, 0.3, 0.5, 0.7], deepconf=[0.1, 0.2, 0.6, 0.8], rcc=[NAN] * 4),
            steps_of("b", [NAN, 0.9], deepconf=[0.9, NAN], rcc=[0.5, 0.5]),
        ]
    )
    table = reliability(steps, ["deepconf", "rcc"], 2)
    assert tuple(table) == RELIABILITY_COLUMNS
    first, second, other = table.itertuples(index=False)
    assert tuple(first) == ("deepconf", 0, 0.1, pytest.approx(0.4), pytest.approx(0.15), pytest.approx(0.2), 2)
    assert tuple(second) == ("deepconf", 1, pytest.approx(0.4), 0.8, pytest.approx(0.7), pytest.approx(0.6), 2)
    assert tuple(other) == ("rcc", 0, 0.5, 0.5, 0.5, 0.9, 1)


def test_reliability_of_equal_confidences_does_not_depend_on_their_order() -> None:
    d = [0.0, 0.2, 0.4, 1.0]
    for order in (d, d[::-1]):
        table = reliability(steps_of("a", order, deepconf=[0.5] * 4), ["deepconf"], 2)
        assert table["decisiveness"].tolist() == pytest.approx([0.4, 0.4])
        assert table["n"].tolist() == [2, 2]


def test_worst_by_mean_over_estimators() -> None:
    steps = pd.concat(
        [
            steps_of("a", [1.0, 1.0], deepconf=[0.5, 0.5], rcc=[0.1, 0.1]),
            steps_of("b", [1.0], deepconf=[0.2], rcc=[NAN]),
            steps_of("c", [1.0], deepconf=[1.0], rcc=[1.0]),
            steps_of("d", [1.0], deepconf=[NAN], rcc=[NAN]),
        ]
    )
    scored = score_traces(steps, traces_of(dict.fromkeys("cbda", True)), ["deepconf", "rcc"])
    found = worst(scored, steps, ["deepconf", "rcc"], 2)
    assert found.traces["trace_id"].tolist() == ["b", "a"]
    assert found.traces["faithfulness"].tolist() == pytest.approx([0.2, 0.3])
    assert found.steps["trace_id"].tolist() == ["b", "a", "a"]
    assert tuple(found.steps) == tuple(steps)
    assert worst(scored, steps, ["deepconf", "rcc"]).traces["trace_id"].tolist() == ["b", "a", "c"]
    assert worst(scored, steps, []).traces.empty


@hypothesis_settings(max_examples=8)
@given(st.integers(0, 10_000))
def test_order_of_rows_does_not_matter(seed: int) -> None:
    steps, traces = random_cell(seed)
    names = ["deepconf", "rcc"]
    mixed = steps.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(trajectory(mixed, names), trajectory(steps, names), check_exact=True)
    pd.testing.assert_frame_equal(reliability(mixed, names), reliability(steps, names), check_exact=True)
    scored = score_traces(steps, traces, names)
    for found, same in zip(worst(scored, steps, names), worst(scored.iloc[::-1], mixed, names), strict=True):
        pd.testing.assert_frame_equal(found, same)
    table = reliability(steps, names)
    assert table["confidence"].between(table["low"] - 1e-12, table["high"] + 1e-12).all()
    assert table.groupby("estimator")["n"].sum().to_dict() == {
        name: n for name in names if (n := int((steps["decisiveness"].notna() & steps[name].notna()).sum()))
    }
