from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from experiments.benchmarks import label_shift
from experiments.benchmarks.label_shift import (
    AUROC,
    TARGET,
    TRAINING,
    WORLDS,
    Target,
    World,
    draw_target,
    without_labels,
)

ROOT = Path(__file__).parents[3]


def _many(world: World) -> Target:
    parts = [draw_target(world, np.random.default_rng(seed)) for seed in range(100)]
    return Target(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@pytest.mark.parametrize("name", WORLDS)
def test_answers_are_what_the_page_says(name: str) -> None:
    target = _many(WORLDS[name])
    # 57,000 answers: standard errors of 0.002.
    assert target.correct.mean() == pytest.approx(TARGET, abs=0.01)
    assert target.true.mean() == pytest.approx(TARGET, abs=0.01)
    assert roc_auc_score(target.correct, target.stated) == pytest.approx(AUROC, abs=0.01)
    assert roc_auc_score(target.correct, target.true) == roc_auc_score(target.correct, target.stated)
    for low in np.arange(0.2, 0.8, 0.1):
        inside = (target.true >= low) & (target.true < low + 0.1)
        assert target.correct[inside].mean() == pytest.approx(target.true[inside].mean(), abs=0.03)


def test_only_the_share_differs_where_that_is_said_and_a_slope_too_in_the_other() -> None:
    share = _many(WORLDS["share"])
    np.testing.assert_allclose(logit(share.stated) - logit(share.true), logit(TRAINING) - logit(TARGET), atol=1e-9)
    both = _many(WORLDS["both"])
    slope, _ = np.polyfit(logit(both.stated), logit(both.true), 1)
    assert slope == pytest.approx(0.75, abs=1e-9)


def test_em_finds_the_share_where_it_is_all_that_has_changed_and_a_corner_elsewhere() -> None:
    moved, share = without_labels(_many(WORLDS["share"]).stated)
    assert share == pytest.approx(TARGET, abs=0.02)
    assert moved.mean() == pytest.approx(share, abs=1e-6)
    moved, share = without_labels(_many(WORLDS["both"]).stated)
    assert share < 0.02
    assert moved.max() < TARGET


def test_em_climbs_the_likelihood_to_its_maximum() -> None:
    stated = draw_target(WORLDS["share"], np.random.default_rng(5)).stated
    shares = np.linspace(0.01, 0.99, 9801)
    odds = shares[:, None] / TRAINING * stated + (1 - shares[:, None]) / (1 - TRAINING) * (1 - stated)
    best = shares[np.log(odds).sum(axis=1).argmax()]
    assert without_labels(stated)[1] == pytest.approx(best, abs=2e-4)


@pytest.mark.slow
def test_the_page_shows_what_is_measured() -> None:
    page = (ROOT / "docs" / "few-labels.md").read_text(encoding="utf-8")
    assert label_shift.table() in page
    corners = {name: f"{label_shift.in_corners(world):.0%}" for name, world in WORLDS.items()}
    assert corners["share"] == "0%"
    assert f"in\n{corners['both'].replace('%', ' %')} of the draws" in page
