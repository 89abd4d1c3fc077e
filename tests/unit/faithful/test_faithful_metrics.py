import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.faithful import cmfg, cmfg_star, dataset_score, mfg
from ccps.faithful.metrics import Metric, stratify
from ccps.faithful.modes import Mode

F, C = [0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.2, 0.3, 0.9, 1.0]
MODES: tuple[Mode, ...] = ("strict", "parity")
METRICS: tuple[Metric, ...] = ("mfg", "cmfg", "cmfg_star")
ROWS = st.lists(st.tuples(st.floats(0, 1), st.sampled_from(np.linspace(0, 1, 21).tolist())), min_size=1, max_size=40)


def released_cmfg_star(f: Any, c: Any, bins: int = 10) -> Any:
    """By the text of the definition, with loops; rows in the order given among ties."""
    rows = sorted(zip(c, f, strict=True), key=lambda row: row[0])
    bins = min(bins, len(rows))
    sizes = [len(rows) // bins + (j < len(rows) % bins) for j in range(bins)]
    ends = np.cumsum(sizes)
    groups = [rows[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    edges = [rows[0][0], *((a[-1][0] + b[0][0]) / 2 for a, b in itertools.pairwise(groups)), rows[-1][0]]
    widths, means = np.diff(edges), [np.mean([row[1] for row in group]) for group in groups]
    return np.average(means, weights=widths) if widths.sum() else np.mean(means)


def test_the_released_vectors() -> None:
    assert mfg(F) == mfg(F, mode="parity") == pytest.approx(0.7)
    assert cmfg(F, C, mode="parity") == pytest.approx(0.575)
    for mode in MODES:
        assert cmfg_star(F, C, mode=mode) == pytest.approx(0.605 / 0.9)
    score = dataset_score("cmfg_star", F, C)
    assert score.strata.weights * 0.9 == pytest.approx([0.05, 0.10, 0.35, 0.35, 0.05])
    assert score.support == (0.1, 1.0)


def test_strict_cmfg_skips_empty_bins_and_closes_the_last() -> None:
    # 0.3 has a bin of its own, and 1.0 shares that of 0.9.
    assert cmfg(F, C) == pytest.approx(np.mean([0.9, 0.8, 0.7, 0.55]))
    score = dataset_score("cmfg", F, C)
    assert (score.strata.empty, score.unbinned, score.n) == (6, 0, 5)
    parity = dataset_score("cmfg", F, C, mode="parity")
    assert (parity.strata.empty, parity.unbinned, parity.n) == (7, 1, 4)
    assert parity.strata.low == pytest.approx([0.1, 0.2, 0.9])


def test_every_tenth_opens_its_bin() -> None:
    tenths = np.arange(10) / 10
    assert stratify("cmfg", tenths).members.tolist() == np.eye(10).tolist()


def test_sizes_of_equal_mass_bins() -> None:
    c = np.linspace(0, 1, 25)
    assert stratify("cmfg_star", c).sizes.tolist() == [3] * 5 + [2] * 5
    assert stratify("cmfg_star", c[:4]).sizes.tolist() == [1] * 4


def test_equal_confidences() -> None:
    f, c = np.arange(1, 8) / 10, np.full(7, 0.4)
    assert cmfg_star(f, c, bins=3, mode="parity") == pytest.approx(np.mean([0.2, 0.45, 0.65]))
    assert cmfg_star(f, c, bins=3) == pytest.approx(0.4)


def test_a_faithfulness_that_is_the_confidence() -> None:
    c = np.random.default_rng(0).uniform(0.6, 0.9, 2000)
    assert cmfg_star(c, c) == pytest.approx(0.75, abs=0.005)
    assert cmfg(np.full(9, 0.5), np.linspace(0, 1, 9)) == pytest.approx(0.5)


@given(ROWS)
def test_parity_is_the_definition(rows: list[tuple[float, Any]]) -> None:
    # Distinct confidences, among which no sort has a choice.
    f, c = (list(side) for side in zip(*{row[1]: row for row in rows}.values(), strict=True))
    for mode in MODES:
        assert cmfg_star(f, c, mode=mode) == pytest.approx(released_cmfg_star(f, c))
    edges = np.linspace(0, 1, 11)
    cells = [[a for a, b in zip(f, c, strict=True) if low <= b < high] for low, high in itertools.pairwise(edges)]
    assert cmfg(f, c, mode="parity") == pytest.approx(np.mean([np.mean(cell) if cell else 0.5 for cell in cells]))


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.sampled_from([[0, 0, 1, 1, 1], [0, 0.5, 0.5, 0.5, 1]]))
def test_strict_is_the_mean_over_the_orders_of_ties(values: list[float], confidences: list[float]) -> None:
    orders = [list(order) for order in itertools.permutations(range(5))]
    f, c = np.array(values), np.array(confidences)
    mean = np.mean([released_cmfg_star(f[order], c[order], 3) for order in orders])
    assert cmfg_star(f, c, bins=3) == pytest.approx(mean)


@given(ROWS, st.randoms(use_true_random=False), st.sampled_from(METRICS))
def test_strict_does_not_depend_on_the_order_of_rows(
    rows: list[tuple[float, Any]], shuffler: random.Random, metric: Metric
) -> None:
    f, c = zip(*rows, strict=True)
    shuffled = shuffler.sample(rows, len(rows))
    g, d = zip(*shuffled, strict=True)
    assert dataset_score(metric, f, c).value == pytest.approx(dataset_score(metric, g, d).value)


@given(ROWS, st.sampled_from(METRICS), st.sampled_from(MODES))
def test_scores_are_linear_and_between_their_extremes(
    rows: list[tuple[float, Any]], metric: Metric, mode: Mode
) -> None:
    f, c = (np.array(side) for side in zip(*rows, strict=True))
    score = dataset_score(metric, f, c, mode=mode)
    assert score.value == pytest.approx(score.strata.constant + score.strata.row_weights @ f)
    assert score.strata.constant + score.strata.row_weights.sum() <= 1 + 0.5 * score.strata.empty / 10 + 1e-9
    if mode == "strict":
        assert score.strata.row_weights.sum() == pytest.approx(1)
        assert f.min() - 1e-9 <= score.value <= f.max() + 1e-9
        assert score.strata.sizes.sum() == pytest.approx(len(f))


@pytest.mark.parametrize("metric", METRICS)
def test_missing_values(metric: Metric) -> None:
    f, c = [0.9, None, 0.7, 0.6, 0.5], [0.1, 0.2, math.nan, 0.9, 0.8]
    complete = dataset_score(metric, [0.9, 0.6, 0.5], [0.1, 0.9, 0.8])
    score = dataset_score(metric, f, c)  # type: ignore[arg-type]
    assert (score.value, score.n, score.missing) == (complete.value, 3, 2)
    parity = dataset_score(metric, [0.9, -1, 0.7, 0.6, 0.5], [0.1, 0.2, -1, 0.9, 0.8], mode="parity")
    assert parity.value == dataset_score(metric, [0.9, 0.6, 0.5], [0.1, 0.9, 0.8], mode="parity").value
    assert parity.missing == 2
    with pytest.raises(ValueError, match=r"to lie in \[0, 1\], but got -1"):
        dataset_score(metric, [0.9, -1], [0.1, 0.2])


@pytest.mark.parametrize("metric", METRICS)
def test_no_rows(metric: Metric) -> None:
    assert math.isnan(dataset_score(metric, [], []).value)
    assert math.isnan(dataset_score(metric, [None], [0.5]).value)  # type: ignore[arg-type]
    assert dataset_score(metric, [-1], [0.5], mode="parity").value == 0


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("mode", MODES)
def test_one_row(metric: Metric, mode: Mode) -> None:
    value = dataset_score(metric, [0.8], [0.35], mode=mode).value
    assert value == pytest.approx((0.8 + 9 * 0.5) / 10 if (metric, mode) == ("cmfg", "parity") else 0.8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cmfg(F, C[:4]), "to have one length, but got 5 and 4"),
        (lambda: cmfg_star(F, C, bins=0), "`bins` to be at least 1"),
        (lambda: dataset_score("ece", F, C), "`metric` to be one of"),  # type: ignore[arg-type]
        (lambda: mfg(F, mode="loose"), "`mode` to be one of"),  # type: ignore[arg-type]
        (lambda: mfg([1.2]), r"`f` to lie in \[0, 1\]"),
        (lambda: dataset_score("cmfg", [1.2], [0.5]), r"`f` to lie in \[0, 1\]"),
        (lambda: dataset_score("cmfg", [0.5], [1.2]), r"`c` to lie in \[0, 1\]"),
    ],
)
def test_bad_input_is_refused(call: Callable[..., Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
