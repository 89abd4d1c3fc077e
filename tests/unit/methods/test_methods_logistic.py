from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ccps.methods import TrainingAnswers, TrainingSettings
from ccps.methods.calibrated import calibrated
from ccps.methods.ccps_logistic import CCPSLogistic, pooled
from ccps.methods.middle_logistic import MiddleLogistic
from ccps.perturbation import FEATURE_NAMES
from ccps.probes.logistic import FittedLogistic, fit_logistic
from ccps.probes.preprocess import EPSILON
from ccps.probes.reporting import SILENT

FLIP = FEATURE_NAMES.index(EPSILON)


def test_pooled_by_hand() -> None:
    tokens = np.array([[1.0, -1.0], [3.0, -5.0], [2.0, 0.0], [7.0, 8.0]])
    columns = pooled(tokens, np.array([3, 1]))
    first = [2.0, -2.0, 1.0, -5.0, 3.0, 0.0, 2.0, 0.0, np.log(3)]
    assert columns.tolist() == [pytest.approx(first), [7.0, 8.0] * 4 + [0.0]]


def test_of_one_token_the_features_are_read_as_they_are(
    answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path
) -> None:
    (fitted,) = CCPSLogistic().fit(answers, settings, [0], SILENT)
    p = fitted.p_correct(answers.evidence)
    assert roc_auc_score(answers.correct, p) > 0.99
    plain = fit_logistic(answers.evidence.features, answers.correct, answers.question_ids)
    assert p.tolist() == plain.predict(answers.evidence.features).tolist()
    assert fitted.parameters == 76
    assert fitted.curve().empty
    assert fitted.notes(answers.evidence) == {}
    fitted.save(tmp_path)
    loaded = CCPSLogistic().load(tmp_path)
    assert loaded.p_correct(answers.evidence).tolist() == p.tolist()
    assert loaded.summary() == fitted.summary()
    assert fitted.summary()["train_rows"] == 80
    assert len(CCPSLogistic().fit(answers, settings, [0, 1], SILENT)) == 2


def test_of_several_tokens_features_are_pooled(
    answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path
) -> None:
    rng, known = np.random.default_rng(1), answers.evidence
    lengths = rng.integers(1, 5, 80)
    features = rng.normal(size=(lengths.sum(), 75)).astype(np.float32)
    # Only one token of each answer tells, and not the last; by its lowest value it is found.
    features[np.cumsum(lengths) - lengths, 4] -= 8 * (1 - answers.correct)
    longer = answers._replace(evidence=known._replace(features=features, lengths=lengths))
    (fitted,) = CCPSLogistic().fit(longer, settings, [0], SILENT)
    p = fitted.p_correct(longer.evidence)
    assert roc_auc_score(answers.correct, p) > 0.98
    columns = pooled(features.astype(np.float64), lengths)
    assert p.tolist() == fit_logistic(columns, answers.correct, answers.question_ids).predict(columns).tolist()
    fitted.save(tmp_path)
    loaded = CCPSLogistic().load(tmp_path)
    assert loaded.p_correct(longer.evidence).tolist() == p.tolist()
    # One answer at a time is the same as all together.
    alone = [float(loaded.p_correct(longer.evidence.select(np.array([number])))[0]) for number in range(5)]
    np.testing.assert_allclose(alone, p[:5], atol=1e-12)


def test_never_flips_is_the_radius_and_other_infinities_are_left_out_and_counted(
    answers: TrainingAnswers, settings: TrainingSettings
) -> None:
    features = answers.evidence.features.copy()
    features[::3, FLIP] = np.inf
    features[5, 7], features[6, 8] = np.nan, -np.inf
    given = answers._replace(evidence=answers.evidence._replace(features=features))
    (fitted,) = CCPSLogistic().fit(given, settings, [0], SILENT)
    summary = fitted.summary()
    assert (summary["train_rows"], summary["left_out"]) == (78, 2)
    assert sum(summary["dropped"].values()) == 2
    at_radius = features.copy()
    at_radius[::3, FLIP] = settings.radius
    kept = np.setdiff1d(np.arange(80), [5, 6])
    ids = [answers.question_ids[number] for number in kept]
    plain = fit_logistic(at_radius[kept], answers.correct[kept], ids)
    p = fitted.p_correct(given.evidence)
    assert p[kept].tolist() == pytest.approx(plain.predict(at_radius[kept]).tolist(), abs=1e-15)
    assert np.isfinite(p).all()
    zeroed = fitted.notes(given.evidence)["set to 0"]
    assert sum(zeroed.values()) == 2


def test_a_calibrator_on_top_is_fitted_once_too(
    answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path
) -> None:
    method = calibrated(CCPSLogistic(), "platt")
    assert not method.is_seeded
    (fitted,) = method.fit(answers, settings, [0], SILENT)
    fitted.save(tmp_path)
    assert method.load(tmp_path).p_correct(answers.evidence).tolist() == fitted.p_correct(answers.evidence).tolist()
    assert FittedLogistic.load(tmp_path / "method").training.train_rows == 64


def test_the_middle_layer_is_read_from_its_need(
    answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    states = rng.normal(size=(80, 300)).astype(np.float32)
    states[:, 7] += 6 * answers.correct
    known = answers._replace(evidence=answers.evidence.having(pooled_states=states))
    (fitted,) = MiddleLogistic().fit(known, settings, [0], SILENT)
    p = fitted.p_correct(known.evidence)
    assert p.tolist() == fit_logistic(states, answers.correct, answers.question_ids).predict(states).tolist()
    assert roc_auc_score(answers.correct, p) > 0.95
    fitted.save(tmp_path)
    assert MiddleLogistic().load(tmp_path).p_correct(known.evidence).tolist() == p.tolist()
    assert fitted.parameters == 301
    assert (fitted.notes(known.evidence), fitted.curve().empty) == ({}, True)
    with pytest.raises(ValueError, match="pooled_states"):
        fitted.p_correct(answers.evidence)
