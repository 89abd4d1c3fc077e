import math
from typing import Any

import numpy as np
import pytest

from ccps.metrics import METRICS, bootstrap, evaluate

SCHEMES = [(aggregate, scheme) for aggregate in ("macro", "pooled") for scheme in ("clusters", "two_stage")]


def subjects(seed: int, n_subjects: int = 12, n_questions: int = 15) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    n = n_subjects * n_questions
    ease = np.repeat(rng.beta(3, 3, n_subjects), n_questions)
    p = np.clip(ease + 0.2 * rng.normal(size=n), 0, 1)
    return p, rng.random(n) < ease, np.repeat(np.arange(n_subjects), n_questions)


@pytest.mark.parametrize(("aggregate", "scheme"), SCHEMES)
@pytest.mark.parametrize("name", ["ct", "equal_mass"])
def test_the_value_is_that_of_evaluate_and_row_order_is_no_matter(aggregate: Any, scheme: Any, name: str) -> None:
    p, y, g = subjects(0)
    settings = {"seed": 3, "aggregate": aggregate, "scheme": scheme, "n_resamples": 60}
    result = bootstrap(p, y, g, name, **settings)
    whole = evaluate(p, y, name, groups=g if aggregate == "macro" else None)
    assert {metric: interval.value for metric, interval in result.items()} == dict(whole)
    assert all(interval.low < interval.high and interval.undefined == 0 for interval in result.values())
    order = np.random.default_rng(1).permutation(len(p))
    assert bootstrap(p[order], y[order], g[order], name, **settings) == result
    assert bootstrap(p, y, g, name, **{**settings, "seed": 4}) != result


def half_width(interval: Any) -> Any:
    return (interval.high - interval.low) / 2


def test_clusters_give_the_spread_of_subject_means() -> None:
    p, y, g = subjects(1, n_subjects=57)
    means = ((p - y) ** 2).reshape(57, -1).mean(axis=1)
    interval = bootstrap(p, y, g, seed=0, n_resamples=4000)["brier"]
    assert half_width(interval) == pytest.approx(1.96 * means.std() / math.sqrt(57), rel=0.08)
    assert interval.low < means.mean() < interval.high


def test_pooled_means_weigh_subjects_by_size() -> None:
    # With one label per row the cluster bootstrap is that of rows.
    p, y, _ = subjects(2, n_subjects=20, n_questions=20)
    losses = (p - y) ** 2
    interval = bootstrap(p, y, np.arange(400), seed=0, n_resamples=4000, aggregate="pooled")["brier"]
    assert half_width(interval) == pytest.approx(1.96 * losses.std() / 20, rel=0.08)


@pytest.mark.parametrize("aggregate", ["macro", "pooled"])
def test_two_stages_add_the_noise_of_questions(aggregate: str) -> None:
    # Every subject has 8 right of 10, so that drawing subjects alone changes nothing.
    y, g = np.tile([1] * 8 + [0] * 2, 40), np.repeat(np.arange(40), 10)
    p = np.full(400, 0.9)
    settings: dict[str, Any] = {"seed": 0, "n_resamples": 3000, "aggregate": aggregate}
    plain = bootstrap(p, y, g, **settings)["acc"]
    assert plain.low == pytest.approx(0.8, abs=1e-12)
    assert plain.high == pytest.approx(0.8, abs=1e-12)
    # The ends are multiples of 1/400, hence the absolute tolerance.
    two_stage = bootstrap(p, y, g, **settings, scheme="two_stage")["acc"]
    assert half_width(two_stage) == pytest.approx(1.96 * math.sqrt(0.8 * 0.2 / 400), abs=1 / 400)


def test_coverage_of_clustered_data() -> None:
    """Subjects differ in ease around a known mean: clustered intervals cover it, those of rows do not."""
    n_sets, n_subjects, n_questions = 100, 40, 8
    covered = {"subjects": 0, "rows": 0}
    for seed in range(n_sets):
        rng = np.random.default_rng(seed)
        ease = np.repeat(rng.beta(1, 1, n_subjects), n_questions)
        y, p = rng.random(len(ease)) < ease, np.full(len(ease), 0.9)
        labels = {"subjects": np.repeat(np.arange(n_subjects), n_questions), "rows": np.arange(len(ease))}
        for unit, groups in labels.items():
            acc = bootstrap(p, y, groups, seed=seed, n_resamples=200, aggregate="pooled")["acc"]
            covered[unit] += acc.low <= 0.5 <= acc.high
    # 95 % nominal: 86 or fewer of 100 has a chance below 1 in 1000 even at the 93 % of percentile intervals.
    assert covered["subjects"] >= 86
    assert covered["rows"] < 80


def test_resamples_without_a_value_are_counted() -> None:
    # Only "a" has both classes: one resample in four is made of "b" alone.
    result = bootstrap([0.9, 0.2, 0.7, 0.8], [1, 0, 1, 1], ["a", "a", "b", "b"], seed=0, n_resamples=2000)
    assert result["auroc"].undefined == pytest.approx(500, abs=80)
    assert (result["auroc"].low, result["auroc"].high) == (1.0, 1.0)
    assert result["brier"].undefined == 0


@pytest.mark.parametrize(("aggregate", "scheme"), SCHEMES)
def test_a_metric_that_is_never_defined_has_no_interval(aggregate: Any, scheme: Any) -> None:
    result = bootstrap(
        [0.9, 0.2, 0.7],
        [1, 1, 1],
        ["a", "b", "b"],
        seed=0,
        n_resamples=30,
        aggregate=aggregate,
        scheme=scheme,
    )
    assert all(math.isnan(number) for number in result["auroc"][:3])
    assert result["auroc"].undefined == 30
    assert result["aucpr"][:3] == (1.0, 1.0, 1.0)


def test_a_wider_level_gives_a_wider_interval() -> None:
    p, y, g = subjects(6)
    narrow, wide = (bootstrap(p, y, g, seed=0, n_resamples=200, level=level) for level in (0.5, 0.99))
    assert all(wide[m].low < narrow[m].low < narrow[m].high < wide[m].high for m in METRICS)


def test_a_run_in_batches_draws_independent_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    p, y, g = subjects(7)
    monkeypatch.setattr("ccps.metrics.inputs._CELLS_PER_BATCH", 20 * len(p))
    batched = bootstrap(p, y, g, seed=0, n_resamples=700)["brier"]
    monkeypatch.undo()
    assert half_width(batched) == pytest.approx(
        half_width(bootstrap(p, y, g, seed=0, n_resamples=2000)["brier"]), rel=0.1
    )
