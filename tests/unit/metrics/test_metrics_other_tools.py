"""Our metrics beside those of other tools, their definitions worked out here in our own words, without their code.

lm-polygraph (arXiv 2406.15627, `ue_metrics`): prediction-rejection ratio, area under the risk-coverage curve, ECE in
bins (lo, hi]. netcal (`netcal.metrics.ECE`): ECE of one confidence for each answer in bins [lo, hi), the last closed.
Where they differ from us, a test says how.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import binned_statistic

from ccps.metrics import CONVENTIONS, ece, evaluate
from ccps.metrics.conventions import Convention

RNG = np.random.default_rng(11)
N = 250
P = RNG.permutation(N) / N + 0.0013  # no ties, nothing on an edge
Y = RNG.random(N) < P**2


def kept_accuracy(order: Any, most: float) -> float:
    """The mean accuracy of what is kept while the last answers of an order are rejected, one after the other."""
    rejected = int(most * len(order))
    kept = range(len(order) - rejected + 1, len(order) + 1)
    return float(np.mean([np.mean(order[:k]) for k in kept]))


@pytest.mark.parametrize(("name", "most"), [("prr", 1.0), ("prr50", 0.5)])
def test_rejection_ratio_of_lm_polygraph(name: str, most: float) -> None:
    surest_first, best = Y[np.argsort(-P)], np.sort(Y)[::-1]
    shuffles = np.random.default_rng(0)
    chance = np.mean([kept_accuracy(shuffles.permutation(Y), most) for _ in range(1000)])
    ours = kept_accuracy(surest_first, most), kept_accuracy(best, most)
    theirs = (ours[0] - chance) / (ours[1] - chance)
    found = evaluate(P, Y)[name]
    # They draw chance a thousand times; here it is its mean, the share of right answers, so that nothing is drawn.
    assert found == pytest.approx((ours[0] - Y.mean()) / (ours[1] - Y.mean()), abs=1e-12)
    assert found == pytest.approx(theirs, abs=0.02)


def test_area_under_risk_and_coverage_of_lm_polygraph() -> None:
    wrong = 1 - Y[np.argsort(-P)].astype(float)
    theirs = np.mean([wrong[:k].mean() for k in range(1, N + 1)])
    assert evaluate(P, Y)["aurc"] == pytest.approx(theirs, abs=1e-12)


def test_where_lm_polygraph_scales_its_target_the_two_differ() -> None:
    """It maps the target onto 0 to 1; all right, or all wrong, becomes one half. Here nobody is half right."""
    everything = evaluate(P, np.ones(N))
    assert everything["aurc"] == 0  # theirs: 0.5
    assert np.isnan(everything["prr"])  # theirs: the unscaled area, as the best order is no better than chance
    nothing = evaluate(P, np.zeros(N))
    assert nothing["aurc"] == 1  # theirs: 0.5
    assert np.isnan(nothing["prr"])


def test_ties_are_no_order_of_rows() -> None:
    """lm-polygraph takes equal confidences in the order in which a sort leaves them; here their order plays no part."""
    p, y = np.array([0.9, 0.5, 0.5, 0.5, 0.1]), np.array([1, 1, 0, 0, 1])
    orders = [(0, 1, 2, 3, 4), (0, 2, 1, 3, 4), (0, 2, 3, 1, 4)]
    areas = [kept_accuracy(y[list(order)], 1.0) for order in orders]
    best = kept_accuracy(np.sort(y)[::-1], 1.0)
    assert evaluate(p, y)["prr"] == pytest.approx((np.mean(areas) - 0.6) / (best - 0.6), abs=1e-12)
    assert len(set(areas)) == 3


@pytest.mark.parametrize("n_bins", [10, 20])
def test_ece_of_lm_polygraph_is_uniform_right(n_bins: int) -> None:
    """It has twenty bins where nothing is said; ours ten, as most papers."""
    edges, total = np.linspace(0, 1, n_bins + 1), 0.0
    for low, high in pairwise(edges):
        here = (low < P) & (high >= P) if low else high >= P
        if here.any():
            total += here.mean() * abs(Y[here].mean() - P[here].mean())
    convention = _with_bins("uniform_right", n_bins)
    assert ece(P, Y, convention) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("n_bins", [10, 15])
def test_ece_of_netcal_is_p_correct(n_bins: int) -> None:
    edges = np.linspace(0, 1, n_bins + 1)
    right, stated, count = (
        binned_statistic(P, values, statistic, edges).statistic
        for values, statistic in ((Y.astype(float), "mean"), (P, "mean"), (P, "count"))
    )
    total = np.nansum(count / N * np.abs(right - stated))
    assert ece(P, Y, _with_bins("p_correct", n_bins)) == pytest.approx(total, abs=1e-12)


def test_on_its_edges_netcal_is_off_by_a_rounding() -> None:
    """linspace(0, 1, 11)[3] is 0.30000000000000004, so that 0.3 falls one bin below there, and not here."""
    p, y = np.repeat([0.2, 0.3], 10), np.repeat([1.0, 0.0], 10)
    edges = np.linspace(0, 1, 11)
    right, stated = (binned_statistic(p, values, "mean", edges).statistic for values in (y, p))
    theirs = np.nansum(binned_statistic(p, p, "count", edges).statistic / 20 * np.abs(right - stated))
    assert theirs == pytest.approx(0.25)
    assert ece(p, y, "p_correct") == pytest.approx(0.55)


def _with_bins(name: str, n_bins: int) -> Convention:
    return replace(CONVENTIONS[name], name=f"{name}{n_bins}", n_bins=n_bins)
