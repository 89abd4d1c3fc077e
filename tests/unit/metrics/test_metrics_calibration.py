import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.calibration import calibration_curve

from ccps.metrics import CONVENTIONS, bootstrap, ece, evaluate, expected_ece_noise, reliability_bins
from ccps.metrics.calibration import is_ece_above

EDGES = np.linspace(0, 1, 11).tolist()

corners = st.sampled_from([0.0, 1e-20, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, *EDGES])
rows = st.lists(st.tuples(corners | st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


def gap_in_bins(pairs: Any, contains: Any) -> Any:
    """ECE over the bins 0..9 by its textbook formula, one loop per bin."""
    kept, total = 0, 0.0
    for b in range(10):
        inside = [(c, o) for c, o in pairs if contains(b, c)]
        if inside:
            confidence = sum(c for c, _ in inside) / len(inside)
            accuracy = sum(o for _, o in inside) / len(inside)
            kept += len(inside)
            total += len(inside) * abs(accuracy - confidence)
    return total / kept if kept else math.nan


def half_open(b: Any, c: Any) -> Any:
    return EDGES[b] <= c < EDGES[b + 1]


def last_closed(b: Any, c: Any) -> Any:
    tenth = round(c, 10)
    return b / 10 <= tenth < (b + 1) / 10 or (b == 9 and tenth == 1)


def right_closed(b: Any, c: Any) -> Any:
    return c > 0 and first_closed(b, c)


def first_closed(b: Any, c: Any) -> Any:
    tenth = round(c, 10)
    return b / 10 < tenth <= (b + 1) / 10 or (b == 0 and tenth == 0)


def top_label(data: Any) -> list[tuple[Any, Any]]:
    predictions = [(1, p) if p > 1 - p else (0, 1 - p) for p, _ in data]
    return [(confidence, label == y) for (label, confidence), (_, y) in zip(predictions, data, strict=True)]


def equal_mass(data: Any) -> Any:
    """Cut at k·n/10; a cut inside a run of equal values goes to its nearer end, to the lower if midway."""
    values = sorted(p for p, _ in data)
    n = len(values)
    cuts = []
    for k in range(1, 10):
        cut = Fraction(k * n, 10)
        run = next(
            ((a, a + values.count(v)) for v in values if (a := values.index(v)) < cut < a + values.count(v)),
            None,
        )
        cuts.append(cut if run is None else run[0] if cut - run[0] <= run[1] - cut else run[1])

    def contains(b: Any, c: Any) -> Any:
        return sum(cut <= values.index(c) for cut in cuts) == b

    return gap_in_bins(data, contains)


BY_HAND = {
    "ct": lambda data: gap_in_bins(top_label(data), half_open),
    "max_prob": lambda data: gap_in_bins(top_label(data), last_closed),
    "p_correct": lambda data: gap_in_bins(data, last_closed),
    "equal_mass": equal_mass,
    "right_closed": lambda data: gap_in_bins(data, right_closed),
    "uniform_right": lambda data: gap_in_bins(data, first_closed),
}


def columns(data: Any) -> tuple[list[Any], list[Any]]:
    return [p for p, _ in data], [y for _, y in data]


def test_every_convention_has_its_own_loop_here() -> None:
    assert set(BY_HAND) == set(CONVENTIONS)
    assert all(name == convention.name for name, convention in CONVENTIONS.items())


@pytest.mark.parametrize("name", CONVENTIONS)
@given(data=rows)
def test_ece_agrees_with_the_loop(name: Any, data: list[tuple[Any, bool]]) -> None:
    assert ece(*columns(data), convention=name) == pytest.approx(BY_HAND[name](data), abs=1e-12, nan_ok=True)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("name", CONVENTIONS)
def test_ece_agrees_with_the_loop_on_many_rows(name: Any) -> None:
    rng = np.random.default_rng(3)
    p = np.concatenate([rng.random(150), rng.integers(11, size=150) / 10])
    data = list(zip(p.tolist(), (rng.random(300) < p**2).tolist(), strict=True))
    assert ece(*columns(data), convention=name) == pytest.approx(BY_HAND[name](data), abs=1e-13)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("name", "value", "dropped"),
    [
        ("ct", 0.065, 2),  # 0.95 and 0.92 alone: accuracy 1, confidence 0.935
        (
            "max_prob",
            0.2175,
            0,
        ),  # four in one bin: accuracy 3/4, confidence 0.9675; a bin of its own for 1.0: 0.2825
        ("p_correct", 0.2175, 0),
        ("right_closed", 0.2175, 0),
        ("uniform_right", 0.2175, 0),
    ],
)
def test_a_confidence_of_one_beside_others_in_the_last_bin(name: str, value: float, dropped: int) -> None:
    p, y = [1.0, 1.0, 0.95, 0.92], [1, 0, 1, 1]
    assert ece(p, y, name) == pytest.approx(value, abs=1e-15)
    assert evaluate(p, y, name).ece_dropped == dropped


@pytest.mark.parametrize(
    ("name", "value", "dropped"),
    [("p_correct", 0.95 / 3, 0), ("right_closed", 0.475, 1), ("uniform_right", 0.95 / 3, 0)],
)
def test_a_confidence_of_zero_beside_others_in_the_first_bin(name: str, value: float, dropped: int) -> None:
    p, y = [0.0, 0.04, 0.01], [0, 1, 0]
    # All three in one bin: |1/3 − 0.05/3|; without the zero: |1/2 − 0.025|.
    assert ece(p, y, name) == pytest.approx(value, abs=1e-15)
    assert evaluate(p, y, name).ece_dropped == dropped


def test_ct_drops_certainty_of_being_wrong_too() -> None:
    result = evaluate([0.0, 1e-20, 1.0, 0.2], [0, 1, 1, 0])
    assert result.ece_dropped == 3  # 1 − 1e-20 is 1.0 in float64
    assert result.ece == pytest.approx(0.2, abs=1e-15)


def test_ece_of_nothing_but_dropped_rows_is_undefined() -> None:
    assert math.isnan(ece([1.0, 0.0], [1, 0], "ct"))
    assert evaluate([1.0, 0.0], [1, 0], "ct").undefined["ece"] == 1
    assert ece([1.0, 0.0], [1, 0], "max_prob") == 0.0


@pytest.mark.parametrize("tenth", range(1, 10))
def test_bins_begin_at_whole_tenths(tenth: int) -> None:
    # One right answer at the edge, one wrong one just above or below it: apart or together, which their sum tells.
    edge, below, above = tenth / 10, tenth / 10 - 0.05, tenth / 10 + 0.05
    apart_below, apart_above = (1 - edge + below) / 2, (1 - edge + above) / 2
    together_below, together_above = abs(1 - edge - below) / 2, abs(1 - edge - above) / 2
    assert ece([edge, below], [1, 0], "p_correct") == pytest.approx(apart_below, abs=1e-12)
    assert ece([edge, above], [1, 0], "p_correct") == pytest.approx(together_above, abs=1e-12)
    for name in ("right_closed", "uniform_right"):
        assert ece([edge, below], [1, 0], name) == pytest.approx(together_below, abs=1e-12)
        assert ece([edge, above], [1, 0], name) == pytest.approx(apart_above, abs=1e-12)


def test_a_bin_holds_its_lower_edge() -> None:
    p, y = [0.2] * 10 + [0.3] * 10, [1] * 10 + [0] * 10
    assert ece(p, y, "p_correct") == pytest.approx(0.55, abs=1e-15)
    assert reliability_bins(p, y, "p_correct").count.tolist() == [0, 0, 10, 10, 0, 0, 0, 0, 0, 0]
    # A sum of tenths, and what one minus a tenth leaves, lie at the edge too.
    assert ece([0.1 + 0.2, 0.25], [1, 0], "p_correct") == ece([0.3, 0.25], [1, 0], "p_correct")
    assert ece([0.4, 0.45], [0, 1], "max_prob") == pytest.approx((0.4 + 0.55) / 2, abs=1e-15)


def test_the_edges_of_ct_are_those_of_the_released_code() -> None:
    # linspace(0, 1, 11)[6] is 0.6000000000000001, so 0.6 shares a bin with 0.55; 0.8 shares none with 0.75.
    assert ece([0.6, 0.55], [1, 0], "ct") == pytest.approx(0.075, abs=1e-15)
    assert ece([0.4, 0.55], [0, 0], "ct") == pytest.approx(0.075, abs=1e-15)
    assert ece([0.8, 0.75], [1, 0], "ct") == pytest.approx((0.2 + 0.75) / 2, abs=1e-15)


@given(data=rows)
def test_uniform_right_has_the_bins_of_scikit_learn(data: list[tuple[Any, bool]]) -> None:
    p, y = columns(data)
    accuracy, confidence = calibration_curve(y, p, n_bins=10, strategy="uniform")
    bins = reliability_bins(p, y, "uniform_right")
    filled = bins.count > 0
    assert bins.n_dropped == 0
    assert bins.accuracy[filled] == pytest.approx(accuracy, abs=1e-12)
    assert bins.confidence[filled] == pytest.approx(confidence, abs=1e-12)


def test_a_tie_predicts_wrong() -> None:
    result = evaluate([0.5, 0.5, 0.5], [0, 0, 1])
    assert result.acc == pytest.approx(2 / 3)
    assert result.ece == pytest.approx(2 / 3 - 0.5)


def test_equal_mass_keeps_a_run_together() -> None:
    # Nine rows of 0.5 are nine tenths of the mass in one bin; the last row has its own.
    assert ece([0.5] * 9 + [0.9], [1] * 9 + [0], "equal_mass") == pytest.approx(0.9 * 0.5 + 0.1 * 0.9)


@given(data=rows)
def test_equal_mass_counts_differ_by_one_at_most_without_ties(data: list[tuple[Any, bool]]) -> None:
    distinct = sorted({p for p, _ in data})
    bins = reliability_bins(distinct, [True] * len(distinct), "equal_mass")
    assert bins.count.max() - bins.count.min() <= 1


@pytest.mark.parametrize("name", CONVENTIONS)
@given(data=rows)
def test_reliability_bins_sum_up_to_the_ece(name: Any, data: list[tuple[Any, bool]]) -> None:
    p, y = columns(data)
    bins = reliability_bins(p, y, name)
    kept = bins.count.sum()
    assert kept + bins.n_dropped == len(data)
    assert bins.n_dropped == evaluate(p, y, name).ece_dropped
    filled = bins.count > 0
    assert np.array_equal(np.isnan(bins.confidence), ~filled)
    assert np.array_equal(np.isnan(bins.accuracy), ~filled)
    if kept:
        gaps = np.abs(bins.accuracy - bins.confidence)[filled] * bins.count[filled]
        assert gaps.sum() / kept == pytest.approx(ece(p, y, name), abs=1e-12)
        assert (bins.lower[filled] <= bins.confidence[filled] + 1e-12).all()
        assert (bins.confidence[filled] <= bins.upper[filled] + 1e-12).all()


def test_reliability_bins_by_hand() -> None:
    bins = reliability_bins([0.05, 0.15, 0.12, 0.95, 1.0], [0, 1, 0, 1, 1], "p_correct")
    assert bins.count.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert bins.accuracy[[0, 1, 9]].tolist() == [0, 0.5, 1]
    assert bins.confidence[[0, 1, 9]] == pytest.approx([0.05, 0.135, 0.975])
    assert bins.lower.tolist() == EDGES[:-1]
    assert bins.upper.tolist() == EDGES[1:]


def test_number_of_bins_is_part_of_the_convention() -> None:
    one_bin = replace(CONVENTIONS["p_correct"], name="one", n_bins=1)
    assert ece([0.1, 0.9, 0.8], [1, 0, 1], one_bin) == pytest.approx(abs(2 / 3 - 0.6))
    assert len(reliability_bins([0.1], [1], one_bin).count) == 1


@pytest.mark.parametrize(("p", "name"), [(0.72, "p_correct"), (0.72, "ct"), (0.28, "max_prob"), (0.72, "equal_mass")])
def test_noise_of_one_bin_is_the_mean_deviation_of_a_binomial(p: float, name: str) -> None:
    n, n_draws = 25, 4000
    hits = np.arange(n + 1)
    deviation, chance = np.abs(hits / n - 0.72), binom.pmf(hits, n, 0.72)
    mean = (deviation * chance).sum()
    standard_error = math.sqrt(((deviation - mean) ** 2 * chance).sum() / n_draws)
    noise = expected_ece_noise([p] * n, name, seed=5, n_draws=n_draws)
    assert noise.mean == pytest.approx(mean, abs=4 * standard_error)
    # No more than 5 % lie above the quantile, and no fewer from the atom below it on.
    assert chance[deviation > noise.q95 + 1e-9].sum() <= 0.06
    assert chance[deviation > noise.q95 - 1e-9].sum() >= 0.04
    assert noise.n_draws == n_draws


def test_noise_of_subjects_is_the_mean_of_their_noises() -> None:
    p, groups = [0.3] * 10 + [0.85] * 5, [1] * 10 + [2] * 5
    separate = [expected_ece_noise(part, "p_correct", seed=1, n_draws=4000).mean for part in (p[:10], p[10:])]
    together = expected_ece_noise(p, "p_correct", seed=2, n_draws=4000, groups=groups).mean
    assert together == pytest.approx(np.mean(separate), abs=0.006)
    assert expected_ece_noise(p, "p_correct", seed=2, n_draws=4000).mean < together


def test_noise_is_seeded_and_does_not_depend_on_row_order() -> None:
    rng = np.random.default_rng(0)
    p, groups, order = rng.random(60), rng.integers(4, size=60), rng.permutation(60)
    noise = expected_ece_noise(p, seed=7, n_draws=50, groups=groups)
    assert noise == expected_ece_noise(p[order], seed=7, n_draws=50, groups=groups[order])
    assert noise != expected_ece_noise(p, seed=8, n_draws=50, groups=groups)


def test_noise_where_every_row_is_dropped_is_undefined() -> None:
    assert math.isnan(expected_ece_noise([1.0, 0.0], "ct", seed=0).mean)


def test_the_interval_of_an_ece_of_nothing_lies_above_it() -> None:
    # In every bin as many of forty are right as P says, so that the ECE is 0; no resample is as even.
    shares = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
    p, y = np.repeat(shares, 40), np.concatenate([np.arange(40) < round(40 * share) for share in shares])
    found = bootstrap(p, y, np.arange(400), "p_correct", seed=0, aggregate="pooled", n_resamples=200)
    assert found["ece"].value == pytest.approx(0, abs=1e-12)
    assert is_ece_above("ece", found["ece"].value, found["ece"].low)
    assert not is_ece_above("brier", found["ece"].value, found["ece"].low)
    assert not is_ece_above("ece", 0.1, 0.1 + 1e-12)
    assert not is_ece_above("ece", math.nan, 0.1)
