import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from ccps.faithful import bootstrap_score, cmfg_star, dataset_score, mfg, stratified_interval
from ccps.metrics import clustered_bootstrap

METRICS = ("mfg", "cmfg", "cmfg_star")


def sample(n: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    c = rng.uniform(0.4, 0.9, n)
    return np.clip(0.5 + 0.4 * c + 0.1 * rng.normal(size=n), 0, 1), c


def half_width(interval: Any) -> Any:
    return (interval.high - interval.low) / 2


def test_by_hand() -> None:
    # Two bins of three rows: means 0.2 and 0.7, variances 0.01 and 0.04; edges 0, 0.3 and 1.
    f, c = [0.1, 0.2, 0.3, 0.5, 0.7, 0.9], [0.0, 0.1, 0.2, 0.4, 0.8, 1.0]
    interval = stratified_interval("cmfg_star", f, c, bins=2)
    assert interval.value == pytest.approx(0.3 * 0.2 + 0.7 * 0.7)
    assert half_width(interval) == pytest.approx(1.959964 * math.sqrt(0.09 * 0.01 / 3 + 0.49 * 0.04 / 3))


def test_one_row_in_a_bin_takes_the_pooled_variance() -> None:
    # Sizes 2, 2, 1: variances 0.02 and 0.08, pooled 0.05.
    f, c = [0.1, 0.3, 0.4, 0.8, 0.6], [0.0, 0.1, 0.3, 0.5, 1.0]
    weights = np.array([0.2, 0.55, 0.25])
    error = math.sqrt(weights**2 @ [0.02 / 2, 0.08 / 2, 0.05 / 1])
    assert half_width(stratified_interval("cmfg_star", f, c, bins=3)) == pytest.approx(1.959964 * error)


def test_the_interval_of_a_mean_is_the_ordinary_one() -> None:
    f, c = sample(200)
    interval = stratified_interval("mfg", f, c)
    assert half_width(interval) == pytest.approx(1.959964 * f.std(ddof=1) / math.sqrt(200))
    assert interval.value == pytest.approx(f.mean())


@pytest.mark.parametrize("metric", METRICS)
def test_missing_rows_do_not_matter(metric: Literal["mfg", "cmfg", "cmfg_star"]) -> None:
    f, c = sample(30)
    more = stratified_interval(metric, [*f, np.nan, 0.5], [*c, 0.5, None])
    assert more == pytest.approx(stratified_interval(metric, f, c))


def test_too_few_rows_have_no_interval() -> None:
    interval = stratified_interval("cmfg_star", [0.5, 0.6], [0.1, 0.2])
    assert interval.value == pytest.approx(0.55)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert math.isnan(stratified_interval("cmfg_star", [], []).value)


@pytest.mark.parametrize("metric", METRICS)
def test_both_intervals_agree_for_independent_rows(metric: Literal["mfg", "cmfg", "cmfg_star"]) -> None:
    f, c = sample(600)
    resampled = bootstrap_score(metric, f, c, np.arange(600), seed=0, n_resamples=600)
    assert half_width(resampled) == pytest.approx(half_width(stratified_interval(metric, f, c)), rel=0.25)
    assert resampled.value == dataset_score(metric, f, c).value


@pytest.mark.parametrize("metric", ["cmfg", "cmfg_star"])
def test_resamples_are_scored_in_as_many_bins_as_the_whole(metric: Literal["cmfg", "cmfg_star"]) -> None:
    # Each of two halves has one faithfulness throughout, so two bins give their mean whatever is drawn.
    c = np.concatenate([np.zeros(20), np.full(20, 0.4), np.full(20, 0.6), np.ones(20)])
    f = np.repeat([0.2, 0.8], 40)
    two = bootstrap_score(metric, f, c, np.arange(80), seed=0, bins=2, n_resamples=200)
    if metric == "cmfg":
        assert two[:3] == pytest.approx((0.5, 0.5, 0.5))
    rows = [np.random.default_rng(seed).integers(80, size=80) for seed in range(50)]
    spread = [dataset_score(metric, f[one], c[one], bins=2).value for one in rows]
    assert half_width(two) == pytest.approx((max(spread) - min(spread)) / 2, abs=0.02)
    four = bootstrap_score(metric, f, c, np.arange(80), seed=0, bins=4, n_resamples=200)
    assert two.value == dataset_score(metric, f, c, bins=2).value
    assert four.value == dataset_score(metric, f, c, bins=4).value


def test_traces_of_one_question_count_as_one() -> None:
    f, _ = sample(50)
    repeated, questions = np.repeat(f, 8), np.repeat(np.arange(50), 8)
    clustered = clustered_bootstrap(lambda rows: mfg(repeated[rows]), questions, seed=0, n_resamples=2000)
    assert half_width(clustered) == pytest.approx(1.96 * f.std() / math.sqrt(50), rel=0.08)


def test_coverage_of_the_stratified_interval() -> None:
    # With F = c and confidences uniform on [0, 1] the score estimates ½; noise is what the interval is about.
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        c = np.linspace(0, 1, 100)
        f = np.clip(0.5 + 0.1 * rng.normal(size=100), 0, 1)
        interval = stratified_interval("cmfg_star", f, c)
        covered += interval.low <= 0.5 <= interval.high
    assert 178 <= covered <= 200


def test_the_same_seed_gives_the_same_interval() -> None:
    f, c = sample(40)
    questions = np.repeat(np.arange(20), 2)
    runs = [bootstrap_score("cmfg_star", f, c, questions, seed=seed, n_resamples=50) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert runs[0].value == cmfg_star(f, c)


def test_resamples_without_a_value_are_counted() -> None:
    # Half of all resamples of two questions hold the one with a value once; a quarter hold it never.
    interval = bootstrap_score("mfg", [0.5, np.nan], [0.5, 0.5], ["a", "b"], seed=0, n_resamples=2000)
    assert interval[:3] == (0.5, 0.5, 0.5)
    assert interval.undefined == pytest.approx(500, abs=80)
    empty = bootstrap_score("mfg", [np.nan], [0.5], ["a"], seed=0, n_resamples=10)
    assert math.isnan(empty.low)
    assert empty.undefined == 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stratified_interval("mfg", [0.5], [0.5], level=1.0), "`level` to lie between"),
        (lambda: bootstrap_score("mfg", [0.5], [0.5], ["a"], seed=0, n_resamples=0), "`n_resamples` to be at least 1"),
        (lambda: bootstrap_score("mfg", [], [], [], seed=0), "`groups` to hold at least one row"),
        (lambda: bootstrap_score("mfg", [0.5], [0.5], [None], seed=0), "`groups` to hold a label"),
        (lambda: bootstrap_score("mfg", [0.5], [], ["a"], seed=0), "to have one length"),
    ],
)
def test_bad_input_is_refused(call: Callable[..., Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
