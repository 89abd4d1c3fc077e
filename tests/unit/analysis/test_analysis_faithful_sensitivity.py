import numpy as np
import pytest
from scipy.stats import kendalltau

from ccps.analysis.faithful_sensitivity import Reading, Resampling, sensitivity
from ccps.faithful import baselines, cmfg_star, score_trace

GROUPS = ["m1", "m1", "m2", "m2", "m3", "m3"] * 5
PROBLEMS = [f"p{place // 6}" for place in range(30)]
SOME = Resampling(200, 0.95, 0)


def _reading(noise: float = 0.2, setting: str = "first") -> Reading:
    """Traces whose words follow belief the worse, the later their group."""
    rng = np.random.default_rng(0)
    d, c = [], []
    for group in GROUPS:
        belief = rng.random(12)
        off = noise * {"m1": 0.1, "m2": 1.0, "m3": 2.0}[group]
        d.append(np.clip(belief + rng.uniform(-off, off, 12), 0, 1))
        c.append(belief)
    return Reading("choice", setting, d, c)


def _faithfulness(reading: Reading) -> tuple[np.ndarray, np.ndarray]:
    scores = [score_trace(d, c) for d, c in zip(reading.decisiveness, reading.confidence, strict=True)]
    return np.array([one.faithfulness for one in scores]), np.array([one.confidence for one in scores])


def test_the_first_reading_moves_nothing() -> None:
    (found,) = sensitivity([_reading()], GROUPS, PROBLEMS, SOME)
    assert found.change[:3] == (0, 0, 0)
    assert found.tau_groups[:3] == pytest.approx((1, 1, 1))
    assert found.tau_traces[:3] == pytest.approx((1, 1, 1))


def test_scores_are_those_of_the_framework() -> None:
    first, other = _reading(), _reading(setting="bins")._replace(bins=5)
    found = sensitivity([first, other], GROUPS, PROBLEMS, SOME)[1]
    f, c = _faithfulness(first)
    assert found.score == pytest.approx(cmfg_star(f, c, bins=5))
    assert found.change.value == pytest.approx(cmfg_star(f, c, bins=5) - cmfg_star(f, c, bins=10))
    beside = baselines("cmfg_star", first.decisiveness, first.confidence, c, bins=5)
    assert found.excess == pytest.approx(beside.over_permutation)
    assert found.change.low <= found.change.value <= found.change.high


def test_orders_are_compared_by_kendalls_tau() -> None:
    first = _reading()
    worse = first._replace(setting="constant", decisiveness=[np.ones(12) for _ in GROUPS])
    found = sensitivity([first, worse], GROUPS, PROBLEMS, SOME)[1]
    (f, c), (g, _) = _faithfulness(first), _faithfulness(worse)
    assert found.tau_traces.value == pytest.approx(kendalltau(f, g).statistic)
    names = np.array(GROUPS)
    scores = [[cmfg_star(x[names == name], c[names == name]) for name in ("m1", "m2", "m3")] for x in (f, g)]
    assert found.tau_groups.value == pytest.approx(kendalltau(*scores).statistic)


def test_a_clear_order_survives_a_mild_choice_with_certainty() -> None:
    first = _reading()
    found = sensitivity([first, first._replace(setting="last", bins=4)], GROUPS, PROBLEMS, SOME)[1]
    assert found.tau_groups.value == pytest.approx(1)
    assert found.tau_groups.low == pytest.approx(1)


def test_problems_are_drawn_not_traces() -> None:
    first, other = _reading(), _reading(noise=0.6, setting="noisy")
    whole = sensitivity([first, other], GROUPS, ["p"] * 30, SOME)[1]
    # One problem can only be drawn as it is.
    assert whole.change.low == whole.change.value == whole.change.high
    by_problem = sensitivity([first, other], GROUPS, PROBLEMS, SOME)[1]
    assert by_problem.change.low < by_problem.change.high
