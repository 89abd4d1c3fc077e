import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.faithful import baselines, dataset_score, score_trace

METRICS, MODES = ("mfg", "cmfg", "cmfg_star"), ("strict", "parity")


def traces(
    seed: int, n: int = 30, low: float = 0.0, high: float = 1.0
) -> tuple[list[Any], list[Any], npt.NDArray[Any]]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, n)
    c = [rng.uniform(low, high, size) for size in sizes]
    return [rng.uniform(size=size) for size in sizes], c, np.array([own.mean() for own in c])


def value(metric: Any, d: Any, c: Any, c_trace: Any, mode: Literal["strict", "parity"] = "strict") -> Any:
    f = [score_trace(one, other, mode=mode).faithfulness for one, other in zip(d, c, strict=True)]
    return dataset_score(metric, f, c_trace, mode=mode).value


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("metric", METRICS)
def test_constants_are_what_scoring_them_gives(metric: Any, mode: Any) -> None:
    d, c, c_trace = traces(0)
    result = baselines(metric, d, c, c_trace, mode=mode)
    assert result.score == pytest.approx(value(metric, d, c, c_trace, mode))
    always = [np.ones_like(own) for own in d]
    assert result.always_decisive == pytest.approx(value(metric, always, c, c_trace, mode))
    grid = [value(metric, [np.full_like(own, x) for own in d], c, c_trace, mode) for x in np.linspace(0, 1, 41)]
    assert max(grid) <= result.best_constant + 1e-12
    assert result.best_constant == pytest.approx(max(grid), abs=0.025)
    best = [np.full_like(own, result.constant) for own in d]
    assert result.best_constant == pytest.approx(value(metric, best, c, c_trace, mode))


@pytest.mark.parametrize("metric", METRICS)
def test_the_permutation_baseline_is_the_mean_over_permutations(metric: Any) -> None:
    d, c, c_trace = traces(1, n=12)
    pool, cuts = np.concatenate(d), np.cumsum([len(own) for own in d])[:-1]
    rng = np.random.default_rng(0)
    shuffled = [value(metric, np.split(rng.permutation(pool), cuts), c, c_trace) for _ in range(300)]
    standard_error = np.std(shuffled) / math.sqrt(300)
    assert baselines(metric, d, c, c_trace).permutation == pytest.approx(np.mean(shuffled), abs=4 * standard_error)


@pytest.mark.parametrize(("low", "high"), [(0.2, 1.0), (0.6, 0.9), (0.85, 0.9)])
def test_closed_forms_of_a_narrow_range(low: float, high: float) -> None:
    # Confidence uniform on [low, high], constant within a trace.
    c_trace = np.linspace(low, high, 400)
    c = [np.full(3, own) for own in c_trace]
    result = baselines("cmfg_star", c, c, c_trace)
    assert result.best_constant == pytest.approx(1 - (high - low) / 4, abs=1e-3)
    assert result.constant == pytest.approx((low + high) / 2, abs=1e-2)
    assert result.always_decisive == pytest.approx((low + high) / 2, abs=1e-3)
    assert result.score == pytest.approx(1)
    assert result.permutation == pytest.approx(1 - (high - low) / 3, abs=2e-3)
    assert result.over_best_constant == pytest.approx((high - low) / 4, abs=1e-3)
    assert result.over_always_decisive == pytest.approx(1 - result.always_decisive)
    assert result.over_permutation == pytest.approx(1 - result.permutation)


@given(st.integers(0, 5000), st.sampled_from(METRICS))
def test_nothing_constant_beats_the_best_constant(seed: int, metric: Any) -> None:
    d, c, c_trace = traces(seed, n=6)
    result = baselines(metric, d, c, c_trace)
    assert result.best_constant >= result.always_decisive - 1e-12
    # A random deal is a mixture of constants.
    assert result.permutation <= result.best_constant + 1e-12
    constant = [np.full_like(own, 0.37) for own in d]
    same = baselines(metric, constant, c, c_trace)
    assert same.permutation == pytest.approx(same.score)


@pytest.mark.parametrize("metric", METRICS)
def test_what_is_missing_is_left_out(metric: Any) -> None:
    d, c, c_trace = traces(2, n=5)
    whole = baselines(metric, d, c, c_trace)
    d_more = [np.append(d[0], np.nan), *d[1:], [0.1], [], [0.4]]
    c_more = [np.append(c[0], 0.9), *c[1:], [np.nan], [], [0.4]]
    more = baselines(metric, d_more, c_more, [*c_trace, 0.5, 0.5, None])
    assert more == pytest.approx(whole)
    assert more.n == 5


def test_nothing_scored() -> None:
    assert all(math.isnan(x) for x in baselines("mfg", [[]], [[]], [0.5])[:5])
    assert baselines("mfg", [], [], []).n == 0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (([[0.5, 1.5]], [[0.5, 0.5]], [0.5]), "decisiveness"),
        (([[0.5, 0.5]], [[-0.5, 0.5]], [0.5]), "confidence"),
        (([[0.5]], [[0.5]], [1.5]), "trace_confidence"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(arguments: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"Expected `{name}` to lie in"):
        baselines("mfg", *arguments)


def test_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one entry per trace, but got 1, 2 and 1"):
        baselines("mfg", [[0.5]], [[0.5], [0.5]], [0.5])
    with pytest.raises(ValueError, match="to have one length"):
        baselines("mfg", [[0.5]], [[0.5, 0.5]], [0.5])
