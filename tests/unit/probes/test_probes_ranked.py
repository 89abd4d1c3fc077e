import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from ccps.core.errors import UserError
from ccps.probes.ranked import FittedRanked, RankedRecipe, fit_ranked, ranked_loss


def test_the_loss_is_the_sum_of_its_terms_pair_by_pair() -> None:
    logits = torch.tensor([1.5, -0.3, 0.2, -2.0, 0.9])
    labels = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
    p, y = logits.sigmoid().numpy(), labels.numpy()
    pairs = [max(0.0, 0.2 - (p[i] - p[j])) for i, j in itertools.product([0, 1], [2, 3, 4])]
    expected = log_loss(y, p) + 0.5 * brier_score_loss(y, p) + 3.0 * sum(pairs) / 6
    recipe = RankedRecipe(brier_weight=0.5, rank_weight=3.0, margin=0.2)
    assert float(ranked_loss(logits, labels, recipe)) == pytest.approx(expected, rel=1e-5)


def test_answers_of_one_kind_have_nothing_to_be_ranked_against() -> None:
    loss = ranked_loss(torch.zeros(3), torch.ones(3), RankedRecipe(brier_weight=1.0))
    assert float(loss) == pytest.approx(math.log(2) + 0.25)


def table(rows: int = 200) -> tuple[np.ndarray, np.ndarray, list[int]]:
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % 5 < 3
    values = rng.normal(size=(rows, 6)) * 100
    values[:, 0] += 200 * labels
    return values, labels, list(range(rows))


def test_it_learns_saves_and_loads(tmp_path: Path) -> None:
    values, labels, ids = table()
    fitted = fit_ranked(values, labels, ids, RankedRecipe(), 3)
    p = fitted.predict(values)
    assert roc_auc_score(labels, p) > 0.85
    assert abs(p.mean() - labels.mean()) < 0.1
    assert fitted.training.summary() == {"train_rows": 180, "validation_rows": 20}
    assert fitted.parameters == (6 * 32 + 32) + (32 + 1)
    fitted.save(tmp_path)
    loaded = FittedRanked.load(tmp_path)
    assert loaded.predict(values).tolist() == p.tolist()
    assert (loaded.training, loaded.recipe) == (fitted.training, fitted.recipe)
    assert fit_ranked(values, labels, ids, RankedRecipe(), 3).predict(values).tolist() == p.tolist()
    assert fit_ranked(values, labels, ids, RankedRecipe(), 4).predict(values).tolist() != p.tolist()
    # The weights that are kept are those of the lowest loss on the held-out questions.
    best = min(fitted.training.curve, key=lambda point: point.val_loss)
    assert 0 < best.step <= 300
    short = fit_ranked(values, labels, ids, replace(RankedRecipe(), steps=best.step), 3)
    assert short.predict(values).tolist() == p.tolist()


def test_ranking_alone_ranks() -> None:
    values, labels, ids = table()
    fitted = fit_ranked(values, labels, ids, RankedRecipe(brier_weight=0.0, rank_weight=50.0, margin=0.5), 1)
    assert roc_auc_score(labels, fitted.predict(values)) > 0.85


def test_what_is_no_probe_or_cannot_be_fitted_is_refused(tmp_path: Path) -> None:
    values, labels, ids = table()
    with pytest.raises(UserError, match="right"):
        fit_ranked(values, np.ones(200), ids, RankedRecipe(), 0)
    fit_ranked(values, labels, ids, RankedRecipe(steps=1), 0).save(tmp_path)
    stored = json.loads((tmp_path / "ranked.json").read_text())
    stored["columns"] = 7
    (tmp_path / "ranked.json").write_text(json.dumps(stored))
    with pytest.raises(UserError, match="tensors"):
        FittedRanked.load(tmp_path)
