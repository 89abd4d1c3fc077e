import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from ccps.analysis.labelling import MOVED, Answered, Labelling, labellings, less, measure
from ccps.metrics import ece


def sample(n: int = 120, shift: float = 1.0, seeds: int = 1, seed: int = 0) -> Answered:
    """Confidences that are too high by a number in the log-odds, the same from every seed but for noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    p = expit(x + shift + 0.3 * rng.normal(size=(seeds, n)))
    return Answered(p, (rng.random(n) < expit(x)).astype(float), np.full((40, seeds), 1 / seeds))


def drawn(n: int, *counts: int, units: int = 0, draws: int = 40) -> list[Labelling]:
    places = np.arange(n) % units if units else np.arange(n)
    return list(labellings(places, counts, draws, np.random.default_rng(1)))


def moved_by_hand(p: np.ndarray, y: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    x, known = logit(p[labelled]), y[labelled]
    shift = brentq(lambda b: (known - expit(x + b)).sum() - b / 4, -50, 50, xtol=1e-12)
    moved: np.ndarray = expit(logit(p) + shift)
    return moved


def test_labels_are_nested_never_tested_and_drawn_alike_everywhere() -> None:
    none, few, many = drawn(30, 0, 5, 12)
    assert (none.labelled.shape, none.tested.shape, none.resampled.shape) == ((40, 0), (1, 30), (40, 30))
    for draw in range(40):
        assert {*few.labelled[draw]} < {*many.labelled[draw]}
        assert len({*many.labelled[draw]}) == 12
        for labelling in (few, many):
            assert not labelling.tested[draw, labelling.labelled[draw]].any()
            assert not labelling.resampled[draw, labelling.labelled[draw]].any()
            assert labelling.tested[draw].sum() == 30 - labelling.labelled.shape[1]
    assert np.unique(many.labelled).tolist() == list(range(30))
    # A question counts as often whether or not others are labelled, in resamples of as many as there are.
    assert (none.resampled.sum(axis=1) == 30).all()
    assert np.array_equal(many.resampled, none.resampled * many.tested)


def test_whole_subjects_are_resampled() -> None:
    (none,) = drawn(30, 0, units=3)
    by_subject = none.resampled.reshape(40, 10, 3)
    assert (by_subject == by_subject[:, :1]).all()
    assert np.unique(by_subject).tolist() == [0, 1, 2, 3]


def test_without_a_label_nothing_is_moved() -> None:
    answered = sample()
    (none,) = drawn(120, 0)
    found = measure(answered, none)
    p, y = answered.p[0], answered.correct
    assert found.n == 120
    assert found.value["ece"] == pytest.approx(ece(p, y, "p_correct"), rel=1e-12)
    assert found.value["brier"] == pytest.approx(brier_score_loss(y, p), rel=1e-12)
    assert found.value["log_loss"] == pytest.approx(log_loss(y, p), rel=1e-9)
    assert found.value["auroc"] == pytest.approx(roc_auc_score(y, p), rel=1e-12)
    # A probability of exactly 1 stays one.
    sure = answered._replace(p=np.ones((1, 120)))
    assert measure(sure, none).value["brier"] == pytest.approx(1 - y.mean(), rel=1e-12)


def test_every_draw_is_that_of_a_loop_over_draws() -> None:
    answered = sample()
    (some,) = drawn(120, 20)
    found = measure(answered, some)
    p, y = answered.p[0], answered.correct
    values: dict[str, list[float]] = {name: [] for name in (*MOVED, "auroc")}
    ends: dict[str, list[float]] = {name: [] for name in (*MOVED, "auroc")}
    for labelled, left, times in zip(some.labelled, some.tested, some.resampled, strict=True):
        moved = moved_by_hand(p, y, labelled)
        for rows, into in ((np.flatnonzero(left), values), (np.repeat(np.arange(120), times.astype(int)), ends)):
            into["ece"].append(ece(moved[rows], y[rows], "p_correct"))
            into["brier"].append(brier_score_loss(y[rows], moved[rows]))
            into["log_loss"].append(log_loss(y[rows], moved[rows]))
            into["auroc"].append(roc_auc_score(y[rows], p[rows]))
    for name in values:
        assert found.value[name] == pytest.approx(float(np.mean(values[name])), rel=1e-8)
        np.testing.assert_allclose(found.drawn[name], ends[name], rtol=1e-8)
    assert found.n == 100


def test_labels_mend_a_base_rate_and_the_more_the_better() -> None:
    answered = sample(4000, shift=1.0)
    values = [measure(answered, labelling).value for labelling in drawn(4000, 0, 25, 100, 400)]
    for metric in MOVED:
        found = [value[metric] for value in values]
        assert found == sorted(found, reverse=True)
    # What is left is the noise of 0.3 in the log-odds, and chance.
    assert values[0]["ece"] > 0.18
    assert values[-1]["ece"] < 0.04
    assert max(value["auroc"] for value in values) - min(value["auroc"] for value in values) < 0.005


def test_seeds_are_averaged_and_drawn_by_their_shares() -> None:
    answered = sample(seeds=2)
    (some,) = drawn(120, 20)
    alone = [measure(Answered(p[None], answered.correct, np.ones((40, 1))), some) for p in answered.p]
    both = measure(answered, some)
    for metric in ("ece", "auroc"):
        assert both.value[metric] == pytest.approx(np.mean([one.value[metric] for one in alone]), rel=1e-12)
        np.testing.assert_allclose(both.drawn[metric], (alone[0].drawn[metric] + alone[1].drawn[metric]) / 2)
    first = measure(answered._replace(shares=np.tile([1.0, 0.0], (40, 1))), some)
    np.testing.assert_allclose(first.drawn["ece"], alone[0].drawn["ece"])


def test_a_constant_has_no_auroc_and_learns_the_base_rate() -> None:
    answered = sample()
    (some,) = drawn(120, 60)
    constant = measure(answered._replace(p=np.full((1, 120), 0.9)), some)
    assert math.isnan(constant.value["auroc"])
    assert constant.value["ece"] < 0.12 < abs(0.9 - answered.correct.mean())
    p = np.stack([answered.p[0], np.full(120, 0.9)])
    beside = measure(Answered(p, answered.correct, np.full((40, 2), 0.5)), some)
    assert beside.value["auroc"] == pytest.approx(measure(answered, some).value["auroc"], rel=1e-12)


def test_an_answer_without_a_score_is_neither_labelled_nor_tested() -> None:
    answered = sample()
    silent = answered.p.copy()
    silent[0, ::4] = np.nan
    (some,) = drawn(120, 40)
    found = measure(answered._replace(p=silent), some)
    known = np.flatnonzero(~np.isnan(silent[0]))
    by_hand = []
    for labelled, left in zip(some.labelled, some.tested, strict=True):
        moved = moved_by_hand(answered.p[0], answered.correct, np.intersect1d(labelled, known))
        rows = np.intersect1d(np.flatnonzero(left), known)
        by_hand.append(brier_score_loss(answered.correct[rows], moved[rows]))
    assert found.value["brier"] == pytest.approx(float(np.mean(by_hand)), rel=1e-9)
    assert found.n == pytest.approx(60, abs=3)


def test_a_difference_is_of_the_same_questions_in_the_same_draws() -> None:
    one, other = sample(shift=1.0), sample(shift=0.2)
    (some,) = drawn(120, 20)
    a, b = measure(one, some), measure(other, some)
    apart = less(a, b)
    assert apart.value["brier"] == a.value["brier"] - b.value["brier"]
    assert np.array_equal(apart.drawn["ece"], a.drawn["ece"] - b.drawn["ece"])
    # Two that differ by one number in the log-odds differ by nothing once it is fitted, but for the prior's pull.
    near = less(a, measure(one._replace(p=expit(logit(one.p) - 0.8)), some))
    assert np.abs(near.drawn["brier"]).max() < 0.02
    assert near.value["auroc"] == 0
