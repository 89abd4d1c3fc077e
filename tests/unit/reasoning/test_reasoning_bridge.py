import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from reasoning_tables import NAN, random_cell, steps_of, traces_of
from sklearn.metrics import roc_auc_score

from ccps.core.errors import UserError
from ccps.reasoning.bridge import BRIDGE_COLUMNS, bridge
from ccps.settings.faithful.scoring import ScoringSettings

QUICK = ScoringSettings(resamples=40)


def by_key(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index(["position", "signal", "metric"]).sort_index()


def test_thirds_by_hand() -> None:
    steps = pd.concat(
        [
            steps_of("a", [0.1, 0.2, 0.3, 0.4], deepconf=[0.9, NAN, 0.7, 0.6]),
            steps_of("b", [0.5, 0.6, 0.7], deepconf=[0.1, 0.2, 0.3]),
            steps_of("c", [0.8, 1.0], deepconf=[0.4, 0.5]),
            steps_of("d", [0.9], deepconf=[0.8]),
            steps_of("unmarked", [0.0], deepconf=[0.0]),
        ]
    )
    traces = traces_of({"a": True, "b": False, "c": True, "d": False, "unmarked": None, "empty": True})
    table = bridge(steps, traces, ["deepconf"], QUICK)
    assert tuple(table) == BRIDGE_COLUMNS
    rows = by_key(table)
    # Of four steps two are in the middle; two steps leave the middle empty, and one is the middle.
    first, middle, last = (
        {"a": 0.1, "b": 0.5, "c": 0.8},
        {"a": 0.25, "b": 0.6, "d": 0.9},
        {"a": 0.4, "b": 0.7, "c": 1.0},
    )
    for position, values in zip(("first", "middle", "last"), (first, middle, last), strict=True):
        row = rows.loc[(position, "decisiveness", "mean")]
        assert row[["value", "n"]].tolist() == pytest.approx([np.mean(list(values.values())), 3])
    assert rows.loc[("middle", "deepconf", "mean"), "value"] == pytest.approx((0.7 + 0.2 + 0.8) / 3)
    # First third: right .1, .8, wrong .5.
    assert rows.loc[("first", "decisiveness", "auroc"), "value"] == 0.5
    assert rows.loc[("first", "deepconf", "auroc"), "value"] == 1.0
    # Decisiveness .1, .5, .8 against confidence .9, .1, .4.
    assert rows.loc[("first", "deepconf", "spearman_decisiveness"), "value"] == pytest.approx(-0.5)
    assert ("first", "decisiveness", "spearman_decisiveness") not in rows.index
    assert "answer" not in table["position"].unique()


def test_signals_of_the_answer() -> None:
    steps = pd.concat([steps_of(f"q{i}", [0.1 * i, 0.1 * i]) for i in range(6)])
    correct = [True, False, True, True, False, True]
    p_true = [0.9, 0.2, 0.8, NAN, 0.8, 0.3]
    traces = traces_of({f"q{i}": mark for i, mark in enumerate(correct)}, p_true=p_true, answer_stability=[NAN] * 6)
    rows = by_key(bridge(steps, traces, [], QUICK, ["p_true", "answer_probability", "answer_stability"]))
    known = [0, 1, 2, 4, 5]
    row = rows.loc[("answer", "p_true", "auroc")]
    assert row["value"] == roc_auc_score([correct[i] for i in known], [p_true[i] for i in known])
    assert row["n"] == 5
    assert row["ci_low"] <= row["value"] <= row["ci_high"]
    assert rows.loc[("answer", "p_true", "mean"), "value"] == pytest.approx(0.6)
    assert rows.loc[("answer", "p_true", "spearman_decisiveness"), "n"] == 5
    missing = rows.loc[("answer", "answer_stability")]
    assert missing["value"].isna().all()
    assert (missing["n"] == 0).all()
    assert "answer_probability" not in rows.index.get_level_values("signal")


@pytest.mark.parametrize("mark", [True, False])
def test_one_class_has_no_auroc(mark: bool) -> None:
    steps = pd.concat([steps_of(f"q{i}", [0.1 * i], deepconf=[0.2 * i]) for i in range(4)])
    rows = by_key(bridge(steps, traces_of({f"q{i}": mark for i in range(4)}), ["deepconf"], QUICK))
    row = rows.loc[("middle", "deepconf", "auroc")]
    assert math.isnan(row["value"])
    assert math.isnan(row["ci_low"])
    assert row[["n", "undefined"]].tolist() == [4, 40]
    assert rows.loc[("middle", "deepconf", "spearman_decisiveness"), "value"] == pytest.approx(1)


def test_nothing_marked() -> None:
    steps = steps_of("a", [0.5], deepconf=[0.5])
    table = bridge(steps, traces_of({"a": None}, p_true=[0.5]), ["deepconf"], QUICK)
    assert (table["n"] == 0).all()
    assert table[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert set(table["position"]) == {"first", "middle", "last", "answer"}


def test_parity_takes_probabilities_above_one() -> None:
    steps = pd.concat([steps_of(f"q{i}", [0.5], rcc=[1.6 - 0.3 * i]) for i in range(4)])
    traces = traces_of({f"q{i}": i < 2 for i in range(4)})
    rows = by_key(bridge(steps, traces, ["rcc"], ScoringSettings(mode="parity", resamples=10)))
    assert rows.loc[("middle", "rcc", "auroc"), "value"] == 1.0
    with pytest.raises(ValueError, match=r"`rcc` to lie in \[0, 1\]"):
        bridge(steps, traces, ["rcc"], QUICK)


def test_bad_settings() -> None:
    with pytest.raises(UserError, match=r"`scoring\.level`"):
        bridge(steps_of("a", [0.5]), traces_of({"a": True}), [], ScoringSettings(level=95))


@hypothesis_settings(max_examples=5)
@given(st.integers(0, 10_000))
def test_bounds_and_order(seed: int) -> None:
    steps, traces = random_cell(seed)
    settings = ScoringSettings(resamples=10)
    table = bridge(steps, traces, ["deepconf"], settings)
    limits = table["metric"].map({"mean": 0.0, "auroc": 0.0, "spearman_decisiveness": -1.0})
    for column in ("value", "ci_low", "ci_high"):
        known = table[column].notna()
        assert (table.loc[known, column] >= limits[known] - 1e-12).all()
        assert (table.loc[known, column] <= 1 + 1e-12).all()
    mixed = bridge(steps.sample(frac=1, random_state=seed), traces.iloc[::-1], ["deepconf"], settings)
    pd.testing.assert_frame_equal(mixed, table, check_exact=True)
