"""Stacks: a regression on what other methods say of answers that they have not learnt from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from ccps.calibrators import fit_calibrator
from ccps.core.errors import UserError
from ccps.methods import METHODS, Evidence, Fitted, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.base import Base, no_curve
from ccps.methods.calibrated import Untrained, calibrated
from ccps.methods.ccps import CCPS
from ccps.methods.evidence import FloatArray
from ccps.methods.stack import FittedStack, Stack, StackFull
from ccps.probes.reporting import SILENT, Reporting
from ccps.probes.split import question_folds
from ccps.settings.probe import ProbeConfig


@dataclass(frozen=True)
class Memory:
    """Knows what it has seen and nothing else."""

    seen: Mapping[bytes, bool]
    parameters: int = 0

    def p_correct(self, evidence: Evidence) -> FloatArray:
        return np.array([float(self.seen.get(row.tobytes(), 0.5)) for row in evidence.features])

    def save(self, folder: Path) -> None:
        """Nothing."""

    def summary(self) -> Mapping[str, Any]:
        return {"train_rows": len(self.seen)}

    def curve(self) -> pd.DataFrame:
        return no_curve()

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        return {}


class Memoriser(TrainedMethod):
    name = "memoriser"
    label = "Memoriser"
    source = "a test"
    reads_features = True

    def recipe(self, settings: TrainingSettings) -> ProbeConfig:
        return settings.probe

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        rows = [row.tobytes() for row in answers.evidence.features]
        return [Memory(dict(zip(rows, answers.correct.tolist(), strict=True))) for _ in seeds]

    def load(self, folder: Path) -> Fitted:
        raise NotImplementedError


FOLDS = np.arange(80) // 16


def test_a_base_that_memorises_shows_nothing_out_of_fold(answers: TrainingAnswers, settings: TrainingSettings) -> None:
    (fitted,) = Memoriser().fit(answers, settings, [0], SILENT)
    assert roc_auc_score(answers.correct, fitted.p_correct(answers.evidence)) == 1
    p = Memoriser().out_of_fold(answers, FOLDS, settings, [0, 1], SILENT)
    assert p.tolist() == [[0.5] * 80] * 2


def with_bases(answers: TrainingAnswers, p: Mapping[str, FloatArray]) -> TrainingAnswers:
    return answers._replace(bases={name: Base(own, Untrained(METHODS["entropy"])) for name, own in p.items()})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def told(answers: TrainingAnswers) -> TrainingAnswers:
    rng = np.random.default_rng(3)
    spread = {"ccps": 1.0, "answer_probability": 2.0, "entropy": 4.0}
    return with_bases(
        answers, {name: expit(answers.correct + rng.normal(scale=noise, size=80)) for name, noise in spread.items()}
    )


def test_the_regression_is_that_of_scikit_learn_on_standardised_logits(
    told: TrainingAnswers, settings: TrainingSettings
) -> None:
    fitted = Stack().fit(told, settings, [0], SILENT)[0]
    assert isinstance(fitted, FittedStack)
    assert list(fitted.bases) == ["ccps", "answer_probability", "entropy"]
    columns = np.stack([logit(base.out_of_fold) for base in told.bases.values()], axis=1)
    scaled = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    model = LogisticRegression(C=fitted.regression.training.strength, tol=1e-10, max_iter=10_000)
    model.fit(scaled, told.correct)
    np.testing.assert_allclose(fitted.regression.predict(columns), model.predict_proba(scaled)[:, 1], rtol=0, atol=1e-4)
    weights = [fitted.summary()[f"weight of {name}"] for name in fitted.bases]
    np.testing.assert_allclose(weights, model.coef_[0], atol=1e-3)


@pytest.fixture(scope="module")
def as_it_is(told: TrainingAnswers, settings: TrainingSettings) -> Callable[[TrainedMethod], FloatArray]:
    """What a method says out of fold; it takes seconds, and is the same for every fold that is then changed."""
    return cache(lambda method: method.out_of_fold(told, FOLDS, settings, [0], SILENT)[0])


@pytest.mark.parametrize("fold", range(5))
@pytest.mark.parametrize("method", [Stack(), calibrated(Stack(), "platt")], ids=lambda method: method.name)
def test_labels_of_a_fold_have_no_say_in_its_scores(
    told: TrainingAnswers,
    settings: TrainingSettings,
    as_it_is: Callable[[TrainedMethod], FloatArray],
    method: TrainedMethod,
    fold: int,
) -> None:
    own = fold == FOLDS
    p = as_it_is(method)
    turned = told._replace(correct=np.where(own, ~told.correct, told.correct))
    other = method.out_of_fold(turned, FOLDS, settings, [0], SILENT)[0]
    assert other[own].tolist() == p[own].tolist()
    assert other[~own].tolist() != p[~own].tolist()


def test_out_of_fold_is_the_fit_to_the_other_folds(told: TrainingAnswers, settings: TrainingSettings) -> None:
    p = Stack().out_of_fold(told, FOLDS, settings, [0, 1], SILENT)
    assert p[0].tolist() == p[1].tolist()
    fitted = Stack().fit(told.select(np.flatnonzero(FOLDS != 2)), settings, [0], SILENT)[0]
    assert isinstance(fitted, FittedStack)
    columns = np.stack([logit(base.out_of_fold) for base in told.bases.values()], axis=1)
    assert p[0][FOLDS == 2].tolist() == fitted.regression.predict(columns[FOLDS == 2]).tolist()


def test_for_silence_stands_the_mean(told: TrainingAnswers, settings: TrainingSettings) -> None:
    known = {name: base.out_of_fold.copy() for name, base in told.bases.items()}
    known["entropy"][::4] = np.nan
    mute = with_bases(told, {**known, "answer_probability": np.full(80, np.nan)})
    fitted = Stack().fit(mute, settings, [0], SILENT)[0]
    assert isinstance(fitted, FittedStack)
    assert list(fitted.bases) == ["ccps", "entropy"]
    filled = {name: known[name] for name in ("ccps", "entropy")}
    filled["entropy"][::4] = expit(np.nanmean(logit(known["entropy"])))
    other = Stack().fit(with_bases(told, filled), settings, [0], SILENT)[0]
    assert isinstance(other, FittedStack)
    np.testing.assert_allclose(fitted.regression.weights, other.regression.weights, rtol=1e-9)
    with pytest.raises(UserError, match="what the bases of `stack` say"):
        Stack().fit(with_bases(told, {"ccps": np.full(80, np.nan)}), settings, [0], SILENT)


def test_one_certain_answer_does_not_decide(told: TrainingAnswers, settings: TrainingSettings) -> None:
    """An exact 1 counts as one in a million."""
    known = {name: base.out_of_fold.copy() for name, base in told.bases.items()}
    fits = []
    for certain in (1.0, 1 - 1e-6):
        known["entropy"][0] = certain
        fits.append(Stack().fit(with_bases(told, known), settings, [0], SILENT)[0])
    one, other = (fitted.regression.weights for fitted in fits if isinstance(fitted, FittedStack))
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_saved_stack_says_the_same(answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path) -> None:
    bases = {}
    for name in ("ccps", "answer_probability", "entropy", "p_true"):
        method = METHODS[name]
        if isinstance(method, TrainedMethod):
            p = method.out_of_fold(answers, FOLDS, settings, [0], SILENT)[0]
            bases[name] = Base(p, method.fit(answers, settings, [0], SILENT)[0])
        else:
            bases[name] = Base(method.p_correct(answers.evidence), Untrained(method))
    (fitted,) = StackFull().fit(answers._replace(bases=bases), settings, [0], SILENT)
    p = fitted.p_correct(answers.evidence)
    assert roc_auc_score(answers.correct, p) > 0.95
    fitted.save(tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    assert StackFull().load(tmp_path).p_correct(answers.evidence).tolist() == p.tolist()
    alone = CCPS().fit(answers, settings, [0], SILENT)[0].p_correct(answers.evidence)
    assert isinstance(fitted, FittedStack)
    assert fitted.bases["ccps"].p_correct(answers.evidence).tolist() == alone.tolist()


def test_a_calibrator_on_a_stack_is_fitted_to_what_the_stack_says_out_of_fold(
    answers: TrainingAnswers, settings: TrainingSettings
) -> None:
    """Its base has learnt every answer by heart, so that what it says of them now is worth nothing."""
    memory = Memoriser().fit(answers, settings, [0], SILENT)[0]
    unseen = expit(0.5 * answers.correct + np.random.default_rng(5).normal(size=80))
    known = answers._replace(bases={"ccps": Base(unseen, memory)})
    (fitted,) = calibrated(Stack(), "platt").fit(known, settings, [0], SILENT)
    (alone,) = Stack().fit(known, settings, [0], SILENT)
    folds = question_folds(answers.correct.astype(np.int64), answers.question_ids, 5, 23)
    p = Stack().out_of_fold(known, folds, settings, [0], SILENT)[0]
    calibrator = fit_calibrator("platt", p, answers.correct)
    new = alone.p_correct(answers.evidence)
    assert fitted.p_correct(answers.evidence).tolist() == calibrator.predict(new).tolist()
    assert (fitted.summary()["train_rows"], fitted.summary()["calibration_rows"]) == (80, 80)
    assert calibrated(Stack(), "platt").bases == Stack.bases


def test_an_answer_without_a_fold_has_no_score(told: TrainingAnswers, settings: TrainingSettings) -> None:
    """As of a source that is trained on and never left out."""
    folds = np.where(FOLDS == 4, -1, FOLDS)
    for method in (Stack(), calibrated(Stack(), "platt")):
        p = method.out_of_fold(told, folds, settings, [0], SILENT)[0]
        assert np.isnan(p).tolist() == (folds < 0).tolist()


@pytest.mark.parametrize("method", [CCPS(), calibrated(CCPS(), "platt")], ids=lambda method: method.name)
def test_parts_that_are_fitted_together_are_as_if_alone(
    answers: TrainingAnswers, settings: TrainingSettings, method: TrainedMethod
) -> None:
    parts = [answers.select(np.arange(60)), answers.select(np.arange(20, 80))]
    together = method.fit_parts(parts, settings, [1, 2], SILENT)
    assert [len(fits) for fits in together] == [2, 2]
    for part, fits in zip(parts, together, strict=True):
        for seed, fitted in zip([1, 2], fits, strict=True):
            (alone,) = method.fit(part, settings, [seed], SILENT)
            wanted = alone.p_correct(answers.evidence)
            np.testing.assert_allclose(fitted.p_correct(answers.evidence), wanted, atol=1e-5)


def test_a_calibrator_out_of_fold_is_fitted_without_the_fold(
    answers: TrainingAnswers, settings: TrainingSettings
) -> None:
    method = calibrated(METHODS["p_true"], "platt")
    p = method.out_of_fold(answers, FOLDS, settings, [0], SILENT)[0]
    for fold in range(5):
        own, others = np.flatnonzero(fold == FOLDS), np.flatnonzero(fold != FOLDS)
        (fitted,) = method.fit(answers.select(others), settings, [0], SILENT)
        assert p[own].tolist() == fitted.p_correct(answers.evidence.select(own)).tolist()
