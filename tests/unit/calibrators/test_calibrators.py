import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit, xlogy
from sklearn.isotonic import IsotonicRegression

from ccps.calibrators import Calibrator, Kind, LogitMap, StepMap, fit_calibrator
from ccps.calibrators.fit import LEAST_SLOPE
from ccps.core.errors import UserError

KINDS = list(Kind)


def draw(rows: int, temperature: float, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Confidences whose calibrated value is sigmoid(logit(p)/temperature + shift), with labels drawn from it."""
    rng = np.random.default_rng(seed)
    x = rng.normal(scale=2, size=rows)
    return expit(x), (rng.random(rows) < expit(x / temperature + shift)).astype(int)


def logit_map(kind: Kind | str, p: Sequence[float] | np.ndarray, y: Sequence[int] | np.ndarray) -> LogitMap:
    """The line through the logits that is fitted."""
    fitted = fit_calibrator(kind, p, y).map
    assert isinstance(fitted, LogitMap)
    return fitted


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    return float(-(xlogy(y, p) + xlogy(1 - y, 1 - p)).mean())


@st.composite
def scored(draw_from: Any) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, exact 0 and 1 among them, and labels of both kinds, in no relation."""
    edge = st.sampled_from([0.0, 1.0, 0.5])
    p = draw_from(st.lists(st.one_of(st.floats(0, 1), edge), min_size=4, max_size=30))
    y = draw_from(st.lists(st.integers(0, 1), min_size=len(p), max_size=len(p)))
    return np.array([0.25, 0.75, *p]), np.array([0, 1, *y])


def test_perfectly_calibrated_confidences_keep_a_temperature_of_about_1() -> None:
    p, y = draw(20_000, temperature=1.0)
    # Four standard errors of 1/T, from the Fisher information Σ x² p (1 − p).
    error = 4 / math.sqrt((logit(p) ** 2 * p * (1 - p)).sum())
    assert 1 / logit_map("temperature", p, y).temperature == pytest.approx(1, abs=error)
    platt = logit_map("platt", p, y)
    assert [platt.slope, platt.intercept] == pytest.approx([1, 0], abs=0.1)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_the_true_temperature_is_found(temperature: float) -> None:
    fitted = logit_map("temperature", *draw(20_000, temperature))
    assert fitted.temperature == pytest.approx(temperature, rel=0.06)
    assert fitted.intercept == 0


def test_temperature_has_the_lowest_log_loss_of_all() -> None:
    p, y = draw(300, temperature=2.0)
    best = minimize_scalar(lambda t: log_loss(expit(logit(p) / t), y), bounds=(0.1, 10), method="bounded").x
    assert logit_map("temperature", p, y).temperature == pytest.approx(best, rel=1e-3)


def test_temperature_scaling_of_two_logits_is_that_of_their_difference() -> None:
    rng = np.random.default_rng(0)
    logits, y = rng.normal(scale=3, size=(200, 2)), rng.integers(2, size=200)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    p_true = (exponentials / exponentials.sum(axis=1, keepdims=True))[:, 1]
    calibrator = fit_calibrator("temperature", p_true, y)
    scaled = np.exp(logits / logit_map("temperature", p_true, y).temperature)
    np.testing.assert_allclose(calibrator.predict(p_true), scaled[:, 1] / scaled.sum(axis=1), rtol=1e-9)


def test_platt_has_the_lowest_log_loss_on_smoothed_labels() -> None:
    p, y = draw(300, temperature=2.0, shift=-1.0)
    right, wrong = y.sum(), (1 - y).sum()
    smoothed = np.where(y == 1, (right + 1) / (right + 2), 1 / (wrong + 2))
    best = minimize(lambda ab: log_loss(expit(ab[0] * logit(p) + ab[1]), smoothed), [1.0, 0.0], tol=1e-12).x
    fitted = logit_map("platt", p, y)
    assert [fitted.slope, fitted.intercept] == pytest.approx(list(best), rel=1e-3)


def test_platt_moves_confidences_that_are_all_too_high() -> None:
    p, y = draw(20_000, temperature=2.0, shift=-1.0)
    fitted = logit_map("platt", p, y)
    assert fitted.slope == pytest.approx(0.5, abs=0.04)
    assert fitted.intercept == pytest.approx(-1, abs=0.08)
    assert fit_calibrator("platt", p, y).predict(p).mean() == pytest.approx(y.mean(), abs=1e-3)


def test_isotonic_pools_neighbours_that_are_the_wrong_way_round() -> None:
    p = [0.1, 0.2, 0.3, 0.4, 0.6]
    calibrator = fit_calibrator("isotonic", p, [0, 1, 0, 1, 1])
    np.testing.assert_allclose(calibrator.predict(p), [0, 0.5, 0.5, 1, 1])
    # Between points linear, beyond them constant; exact 0 and 1 are values like others.
    np.testing.assert_allclose(calibrator.predict([0, 0.15, 0.35, 1]), [0, 0.25, 0.75, 1])


@given(scored())
@settings(max_examples=25, deadline=None)
def test_isotonic_is_that_of_scikit_learn(data: Any) -> None:
    p, y = data
    grid = np.linspace(0, 1, 41)
    expected = IsotonicRegression(out_of_bounds="clip").fit(p, y).predict(grid)
    np.testing.assert_allclose(fit_calibrator("isotonic", p, y).predict(grid), expected, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@given(data=scored())
@settings(max_examples=25, deadline=None)
def test_every_map_keeps_the_order_and_stays_within_0_and_1(kind: Any, data: Any) -> None:
    p, y = data
    calibrated = fit_calibrator(kind, p, y).predict(np.sort(p))
    assert np.isfinite(calibrated).all()
    assert (np.diff(calibrated) >= 0).all()
    assert calibrated.min() >= 0
    assert calibrated.max() <= 1


@pytest.mark.parametrize("kind", [Kind.temperature, Kind.platt, Kind.intercept])
@given(data=scored())
@settings(max_examples=25, deadline=None)
def test_maps_of_the_logit_tie_nothing(kind: Any, data: Any) -> None:
    fitted = logit_map(kind, *data)
    assert fitted.slope > 0
    # In the logit, where float64 has room: probabilities near 1 may round to one number.
    grid = np.linspace(0.01, 0.99, 50)
    assert (np.diff(fitted.slope * logit(grid) + fitted.intercept) > 0).all()


@pytest.mark.parametrize("kind", [Kind.temperature, Kind.platt])
def test_confidences_that_rank_the_wrong_way_are_flattened_and_not_turned_round(kind: Any) -> None:
    p, y = draw(500, temperature=1.0, shift=0.8)
    calibrator = fit_calibrator(kind, 1 - p, y)
    flat = calibrator.predict([0.01, 0.5, 0.99])
    assert flat[0] < flat[1] < flat[2]
    np.testing.assert_allclose(flat, 0.5 if kind is Kind.temperature else y.mean(), atol=2e-3)


def test_a_flattened_platt_map_is_the_best_on_its_bound() -> None:
    p, y = draw(500, temperature=1.0, shift=0.8)
    p = 1 - p
    fitted = logit_map("platt", p, y)
    assert fitted.slope == LEAST_SLOPE
    right, wrong = y.sum(), (1 - y).sum()
    smoothed = np.where(y == 1, (right + 1) / (right + 2), 1 / (wrong + 2))
    # Where the log-loss is least its derivative by the intercept is zero.
    assert (expit(LEAST_SLOPE * logit(p) + fitted.intercept) - smoothed).mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_exact_zeros_and_ones_are_finite_and_at_the_ends(kind: Any) -> None:
    p, y = draw(200, temperature=1.5)
    p[:4], y[:4] = [0, 0, 1, 1], [0, 1, 0, 1]
    calibrator = fit_calibrator(kind, p, y)
    low, middle, high = calibrator.predict([0, 0.5, 1])
    assert 0 <= low < middle < high <= 1
    if kind is not Kind.isotonic:
        assert calibrator.predict([0, 1]).tolist() == calibrator.predict([2.0**-53, 1 - 2.0**-53]).tolist()
        line = logit_map(kind, p, y)
        assert logit(low) == pytest.approx(-53 * math.log(2) * line.slope + line.intercept)


def test_labels_that_one_threshold_separates_leave_finite_numbers() -> None:
    p, y = [0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]
    assert 1 < logit_map("temperature", p, y).slope < math.inf
    np.testing.assert_allclose(fit_calibrator("temperature", p, y).predict(p), y, atol=1e-9)
    # Platt's labels for two right and two wrong answers are 3/4 and 1/4; there the derivatives by slope and intercept
    # are zero.
    residual = fit_calibrator("platt", p, y).predict(p) - [0.25, 0.25, 0.75, 0.75]
    np.testing.assert_allclose([residual.sum(), residual @ logit(p)], 0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_rows_does_not_matter(kind: Any) -> None:
    p, y = draw(100, temperature=2.0)
    order = np.random.default_rng(1).permutation(100)
    one, other = fit_calibrator(kind, p, y), fit_calibrator(kind, p[order], y[order])
    np.testing.assert_allclose(one.predict(p), other.predict(p), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_save_and_load_return_the_same_calibrator(kind: Any, tmp_path: Path) -> None:
    p, y = draw(100, temperature=2.0)
    calibrator = fit_calibrator(kind, p, y == 1)
    calibrator.save(tmp_path / "new" / "folder")
    loaded = Calibrator.load(tmp_path / "new" / "folder")
    assert loaded == calibrator
    assert (loaded.answers, loaded.right) == (100, y.sum())
    assert (loaded.predict(p) == calibrator.predict(p)).all()
    assert isinstance(loaded.map, StepMap if kind is Kind.isotonic else LogitMap)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("platt", lambda s: s.update(format_version=2), "Expected `format_version` .* to be 1, but got 2"),
        ("platt", lambda s: s.pop("right"), "Expected the keys in"),
        ("platt", lambda s: s.update(colour="red"), "Expected the keys in"),
        ("platt", lambda s: s.update(kind="beta"), "Expected `kind` .* to be one of temperature, platt, isotonic"),
        ("platt", lambda s: s.update(kind="isotonic"), "Expected the keys in"),
        ("platt", lambda s: s.update(kind="temperature"), "Expected `map` in"),
        ("platt", lambda s: s.update(map=3), "Expected the keys in"),
        ("platt", lambda s: s["map"].update(slope=0), "Expected `map` in"),
        ("platt", lambda s: s["map"].update(slope=True), "Expected `map` in"),
        ("platt", lambda s: s["map"].update(intercept=math.nan), "Expected `map` in"),
        ("platt", lambda s: s["map"].update(intercept="0"), "Expected `map` in"),
        ("platt", lambda s: s.update(kind="intercept"), "Expected `map` in"),
        ("intercept", lambda s: s.update(kind="temperature"), "Expected `map` in"),
        ("isotonic", lambda s: s["map"]["confidence"].pop(), "Expected `map` in"),
        ("isotonic", lambda s: s["map"]["confidence"].reverse(), "Expected `map` in"),
        ("isotonic", lambda s: s["map"]["accuracy"].reverse(), "Expected `map` in"),
        ("isotonic", lambda s: s["map"].update(confidence=[0.1], accuracy=[1.5]), "Expected `map` in"),
        ("isotonic", lambda s: s["map"].update(confidence=[], accuracy=[]), "Expected `map` in"),
        ("isotonic", lambda s: s["map"].update(confidence=0.1, accuracy=0.5), "Expected `map` in"),
    ],
)
def test_files_that_do_not_fit_are_refused(kind: str, change: Callable[..., Any], message: str, tmp_path: Path) -> None:
    fit_calibrator(kind, *draw(100, temperature=2.0, shift=0.5)).save(tmp_path)
    path = tmp_path / "calibrator.json"
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))
    with pytest.raises(UserError, match=message):
        Calibrator.load(tmp_path)


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"calibrator.json` to be a calibrator"):
        Calibrator.load(tmp_path)
    for text in ("{", "[]"):
        (tmp_path / "calibrator.json").write_text(text)
        with pytest.raises(UserError, match=r"calibrator\.json"):
            Calibrator.load(tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Kind.intercept])
def test_what_cannot_be_calibrated_is_refused_with_a_way_out(kind: Any) -> None:
    with pytest.raises(UserError, match=r"but got 3 right of 3\. Calibrate on more questions"):
        fit_calibrator(kind, [0.1, 0.5, 0.9], [1, 1, 1])
    with pytest.raises(UserError, match="but got 0 right of 3"):
        fit_calibrator(kind, [0.1, 0.5, 0.9], [0, 0, 0])
    with pytest.raises(UserError, match=r"but got 0\.7 in all 3 rows\. Leave this method uncalibrated"):
        fit_calibrator(kind, [0.7, 0.7, 0.7], [0, 1, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_probability_and_no_label_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="Expected `p_correct` to lie in"):
        fit_calibrator(kind, [0.1, np.nan], [0, 1])
    with pytest.raises(ValueError, match="Expected `correct` to hold only 0, 1 or booleans"):
        fit_calibrator(kind, [0.1, 0.2], [0, np.nan])
    with pytest.raises(ValueError, match="Expected `p_correct` to lie in"):
        fit_calibrator(kind, [0.1, 0.2], [0, 1]).predict([1.1])


def test_an_unknown_kind_is_refused() -> None:
    kinds = "temperature, platt, isotonic, intercept"
    with pytest.raises(UserError, match=f"Expected `kind` to be one of {kinds}, but got 'beta'"):
        fit_calibrator("beta", [0.1, 0.9], [0, 1])
