from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeRegressor

from ccps.core.errors import UserError
from ccps.methods import TrainingAnswers, TrainingSettings
from ccps.methods.calibrated import calibrated
from ccps.methods.ccps_bicr import CCPSBICR
from ccps.methods.ccps_logistic import CCPSLogistic
from ccps.methods.evidence import Samples
from ccps.methods.middle_logistic import MiddleLogistic
from ccps.methods.pooled_features import pooled
from ccps.methods.semantic_entropy_probe import SemanticEntropyProbe, best_split
from ccps.perturbation import FEATURE_NAMES
from ccps.probes.logistic import FittedLogistic, fit_logistic
from ccps.probes.preprocess import EPSILON
from ccps.probes.ranked import RankedRecipe, fit_ranked
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


def test_the_semantic_entropy_probe_learns_low_from_high_without_a_label(
    answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path
) -> None:
    """The fifth number of a state in the upper middle layer says whether the samples agree."""
    rng = np.random.default_rng(3)
    agree = np.arange(80) % 4 < 3
    layers = rng.normal(size=(80, 3, 20)).astype(np.float32)
    layers[:, 1, 4] += 6 * agree
    texts = [["x"] * 4 if same else ["x", "y", "z", "z"] for same in agree]
    samples = Samples(texts, np.zeros((80, 4)), np.ones((80, 4), np.int64))
    known = answers._replace(evidence=answers.evidence.having(layer_states=layers, samples=samples))
    method = SemanticEntropyProbe()
    (fitted,) = method.fit(known, settings, [0], SILENT)
    p = fitted.p_correct(known.evidence)
    assert roc_auc_score(agree, p) > 0.99
    assert p.tolist() == fit_logistic(layers[:, 1], agree, answers.question_ids).predict(layers[:, 1]).tolist()
    flipped = known._replace(correct=~known.correct)
    assert method.fit(flipped, settings, [0], SILENT)[0].p_correct(known.evidence).tolist() == p.tolist()
    fitted.save(tmp_path)
    without = answers.evidence.having(layer_states=layers)
    assert method.load(tmp_path).p_correct(without).tolist() == p.tolist()
    assert method.reads() == {"layer_states"}
    assert method.reads(for_training=True) == {"layer_states", "samples"}
    same = Samples([["x"] * 4] * 80, np.zeros((80, 4)), np.ones((80, 4), np.int64))
    with pytest.raises(UserError, match=r"low for some and high for others, but got 0 for all 80"):
        method.fit(known._replace(evidence=known.evidence.having(samples=same)), settings, [0], SILENT)


@settings_of_hypothesis(max_examples=50, deadline=None)
@given(values=st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.69, 1.1, 1.4]), min_size=2, max_size=20))
def test_the_best_split_is_that_of_a_regression_tree(values: list[float]) -> None:
    """A tree of depth one minimises the same sum of squares."""
    if len(set(values)) < 2:
        return
    column = np.array(values)[:, None]
    tree = DecisionTreeRegressor(max_depth=1).fit(column, values)

    def loss(threshold: float) -> float:
        low = column[:, 0] < threshold
        return float(sum(((column[side] - column[side].mean()) ** 2).sum() for side in (low, ~low)))

    found = best_split(values)
    assert min(values) < found < max(values)
    assert loss(found) == pytest.approx(loss(float(tree.tree_.threshold[0])), abs=1e-9)


def test_the_loss_of_bicr_on_features(answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path) -> None:
    method = CCPSBICR()
    one, other = method.fit(answers, settings, [1, 2], SILENT)
    p = one.p_correct(answers.evidence)
    assert roc_auc_score(answers.correct, p) > 0.95
    assert p.tolist() != other.p_correct(answers.evidence).tolist()
    plain = fit_ranked(answers.evidence.features, answers.correct, answers.question_ids, RankedRecipe(), 1)
    assert p.tolist() == plain.predict(answers.evidence.features).tolist()
    one.save(tmp_path)
    loaded = method.load(tmp_path)
    assert loaded.p_correct(answers.evidence).tolist() == p.tolist()
    assert loaded.summary() == one.summary()
    assert {"stage", "step", "loss", "accuracy"} <= set(one.curve().columns)
    assert one.notes(answers.evidence) == {}
