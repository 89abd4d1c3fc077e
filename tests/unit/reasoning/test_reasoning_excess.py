from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.faithful import baselines
from ccps.reasoning.excess import Excess


@given(st.integers(0, 10_000), st.sampled_from(["strict", "parity"]))
def test_every_resample_is_what_its_traces_give(seed: int, mode: Literal["strict", "parity"]) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 15))
    sizes = rng.integers(1, 5, n)
    d, c = ([np.round(rng.uniform(size=size + 1), 1) for size in sizes] for _ in range(2))
    for own in d:
        own[-1] = np.nan
    c_trace = np.array([own[:-1].mean() for own in c])
    excess = Excess(d, c, c_trace, bins=4, mode=mode)
    for rows in (np.arange(n), rng.integers(n, size=n)):
        same = baselines("cmfg_star", [d[i] for i in rows], [c[i] for i in rows], c_trace[rows], bins=4, mode=mode)
        assert excess.over_always_decisive(rows) == pytest.approx(same.over_always_decisive, abs=1e-12)
        assert excess.over_best_constant(rows) == pytest.approx(same.over_best_constant, abs=1e-12)
        assert excess.over_permutation(rows) == pytest.approx(same.over_permutation, abs=1e-12)


def test_by_hand() -> None:
    # Confidences 0 and 1, decisiveness the same: perfectly faithful, and ½ for every constant and any random deal.
    excess = Excess(
        [np.array([0.0]), np.array([1.0])], [np.array([0.0]), np.array([1.0])], [0.0, 1.0], bins=2, mode="strict"
    )
    rows = np.arange(2)
    assert excess.over_always_decisive(rows) == excess.over_best_constant(rows) == excess.over_permutation(rows) == 0.5
    # Of one trace alone its own constant says everything.
    assert excess.over_best_constant(np.array([0, 0])) == excess.over_permutation(np.array([0, 0])) == 0.0
    assert excess.over_always_decisive(np.array([0, 0])) == 1.0
