import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from ccps.core.errors import UserError
from ccps.probes.logistic import FittedLogistic, LogisticRecipe, fit_logistic
from ccps.probes.preprocess import Standardizer


def table(rows: int, columns: int, seed: int = 0) -> tuple[Any, Any, list[str]]:
    """Rows whose first numbers tell, on scales of their own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 5 < 3
    values = rng.normal(size=(rows, columns))
    values[:, :3] += labels[:, None]
    return values * 10.0 ** rng.integers(-3, 4, columns), labels, [f"q{number}" for number in range(rows)]


def strength_only(strength: float) -> LogisticRecipe:
    return LogisticRecipe(strengths=[strength])


@pytest.mark.parametrize(("rows", "columns"), [(200, 6), (40, 100), (60, 700)])
def test_the_fit_is_at_the_minimum_of_the_penalised_loss(rows: int, columns: int) -> None:
    """scipy minimises |w|²/2C + Σ log(1 + exp(−±logit)) over all columns, also where there are more than rows."""
    values, labels, ids = table(rows, columns)
    fitted = fit_logistic(values, labels, ids, strength_only(0.1))
    scaled, sign = StandardScaler().fit_transform(values), np.where(labels, 1.0, -1.0)

    def loss(point: Any) -> Any:
        margins = sign * (scaled @ point[:-1] + point[-1])
        slope = -sign * expit(-margins)
        gradient = np.append(scaled.T @ slope + point[:-1] / 0.1, slope.sum())
        return np.logaddexp(0.0, -margins).sum() + point[:-1] @ point[:-1] / 0.2, gradient

    options = {"maxiter": 5000, "gtol": 1e-9, "ftol": 1e-15}
    best = minimize(loss, np.zeros(columns + 1), jac=True, method="L-BFGS-B", options=options).x
    # The mean gradient is at most 1e-5 and the curvature at least 1/C, so weights are off by rows · 1e-5 · C at most.
    np.testing.assert_allclose(fitted.weights, best[:-1], atol=rows * 1e-5 * 0.1)
    np.testing.assert_allclose(fitted.logits(values), scaled @ best[:-1] + best[-1], atol=1e-3)
    np.testing.assert_allclose(fitted.predict(values), expit(fitted.logits(values)), rtol=1e-14)
    assert fitted.parameters == columns + 1


def test_the_strength_is_the_one_that_scikit_learn_finds_by_cross_validation() -> None:
    values, labels, ids = table(150, 30)
    recipe = LogisticRecipe()
    fitted = fit_logistic(values, labels, ids, recipe)
    folds = StratifiedKFold(5, shuffle=True, random_state=recipe.seed)
    scaled = StandardScaler().fit_transform(values)
    for strength, loss in fitted.training.losses:
        model = LogisticRegression(C=strength, tol=1e-8, max_iter=5000)
        scores = cross_val_score(model, scaled, labels, cv=folds, scoring="neg_log_loss")
        assert loss == pytest.approx(-scores.mean(), abs=1e-4)
    assert fitted.training.strength == min(fitted.training.losses, key=lambda item: item.loss).strength
    # Neither end of the range: noise is held back, what tells is not.
    assert min(recipe.strengths) < fitted.training.strength < max(recipe.strengths)
    # The search stops three strengths after the best.
    strengths = [item.strength for item in fitted.training.losses]
    assert strengths == recipe.strengths[: len(strengths)]
    assert len(strengths) == strengths.index(fitted.training.strength) + 4


def test_rows_of_one_question_are_held_out_together() -> None:
    """Every question twice, with noise that tells the question: only where its twin is seen can noise help."""
    rng = np.random.default_rng(1)
    labels, noise = rng.random(60) < 0.5, rng.normal(size=(60, 200))
    values, twice = np.concatenate([noise, noise]), np.concatenate([labels, labels])
    together = fit_logistic(values, twice, [*range(60), *range(60)])
    apart = fit_logistic(values, twice, list(range(120)))
    assert min(item.loss for item in together.training.losses) > 0.6
    assert min(item.loss for item in apart.training.losses) < 0.35  # half of ln 2


def test_columns_that_do_not_vary_count_for_nothing() -> None:
    values, labels, ids = table(80, 4)
    with_constants = np.column_stack([values, np.full(80, 7.0), np.zeros(80), 5.0 + 1e-9 * labels])
    fitted, plain = fit_logistic(with_constants, labels, ids), fit_logistic(values, labels, ids)
    assert fitted.weights[4:].tolist() == [0.0] * 3
    assert fitted.parameters == plain.parameters == 5
    moved = with_constants.copy()
    moved[:, 4:] += 1e6
    np.testing.assert_allclose(fitted.predict(moved), plain.predict(values), atol=1e-12)
    nothing = fit_logistic(np.ones((80, 3)), labels, ids)
    np.testing.assert_allclose(nothing.predict(np.ones((2, 3))), labels.mean(), atol=1e-4)


@pytest.mark.parametrize("columns", [5, 90])
def test_loaded_it_gives_the_same_probabilities(columns: int, tmp_path: Path) -> None:
    values, labels, ids = table(60, columns)
    fitted = fit_logistic(values, labels, ids)
    fitted.save(tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"logistic.json", "logistic.safetensors"}
    loaded = FittedLogistic.load(tmp_path / "new")
    assert loaded.predict(values).tolist() == fitted.predict(values).tolist()
    assert loaded.training == fitted.training
    assert isinstance(loaded.scaler, Standardizer)
    again = fit_logistic(values, labels, ids)
    again.save(tmp_path / "again")
    for name in ("logistic.json", "logistic.safetensors"):
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_what_is_no_fit_is_refused_when_read(tmp_path: Path) -> None:
    values, labels, ids = table(60, 5)
    fit_logistic(values, labels, ids).save(tmp_path)
    record, weights = tmp_path / "logistic.json", tmp_path / "logistic.safetensors"
    stored = json.loads(record.read_text())
    record.write_text(json.dumps({**stored, "format_version": 99}))
    with pytest.raises(UserError, match="format_version"):
        FittedLogistic.load(tmp_path)
    del stored["training"]["strength"]
    record.write_text(json.dumps(stored))
    with pytest.raises(UserError, match="keys"):
        FittedLogistic.load(tmp_path)
    fit_logistic(values, labels, ids).save(tmp_path)
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(UserError, match="weights of a logistic regression"):
        FittedLogistic.load(tmp_path)
    weights.unlink()
    with pytest.raises(UserError, match="weights of a logistic regression"):
        FittedLogistic.load(tmp_path)


def test_what_cannot_be_fitted_or_read_is_refused() -> None:
    values, labels, ids = table(60, 5)
    one = np.arange(60) == 3
    for few in (np.zeros(60, bool), np.ones(60, bool), one, ~one):
        with pytest.raises(UserError, match="two of each kind"):
            fit_logistic(values, few, ids)
    with pytest.raises(UserError, match="two of each kind"):
        fit_logistic(np.zeros((0, 5)), np.zeros(0), [])
    with pytest.raises(UserError, match="60 identifiers"):
        fit_logistic(values, labels, ids[:-1])
    faulty = values.copy()
    faulty[[3, 4], 2] = np.inf, np.nan
    with pytest.raises(UserError, match="in 2 of 60 rows"):
        fit_logistic(faulty, labels, ids)
    fitted = fit_logistic(values, labels, ids)
    with pytest.raises(UserError, match="5 columns wide, but got 4"):
        fitted.predict(values[:, :4])
    with pytest.raises(UserError, match="in 2 of 60 rows"):
        fitted.predict(faulty)


def test_three_of_one_kind_make_three_folds() -> None:
    values, _, ids = table(60, 5)
    labels = np.arange(60) < 3
    values[:, 0] += 10 * labels
    p = fit_logistic(values, labels, ids).predict(values)
    assert p[:3].min() > p[3:].max()
