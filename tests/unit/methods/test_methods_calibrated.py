import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from scipy.optimize import minimize_scalar
from scipy.special import expit

from ccps.calibrators import Kind, fit_calibrator
from ccps.core.errors import UserError
from ccps.methods import Method, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.calibrated import HELD_OUT, calibrated
from ccps.methods.ccps import CCPS
from ccps.methods.controls import RandomDirections
from ccps.methods.lts import LTS
from ccps.methods.p_true import PTrue
from ccps.methods.saplma import SAPLMAFinal
from ccps.probes.reporting import SILENT

P_TRUE, OWN_CCPS = PTrue(), CCPS()


class Says(Method):
    """Says what it is told to."""

    name = "says"
    label = "Says"
    source = "a test"

    def __init__(self, p: Any) -> None:
        self.p = np.array(p, dtype=np.float64)

    def p_correct(self, evidence: Any) -> Any:
        return self.p


class Learner(TrainedMethod):
    """Takes note of the answers that it is fitted to."""

    name = "learner"
    label = "Learner"
    source = "a test"
    training_needs = frozenset({"references"})

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def recipe(self, settings: Any) -> Any:
        return settings.probe

    def fit(self, answers: Any, settings: Any, seeds: Any, reporting: Any) -> Any:
        self.seen.append((list(answers.question_ids), list(seeds)))
        return OWN_CCPS.fit(answers, settings, seeds, reporting)

    def load(self, folder: Path) -> Any:
        return OWN_CCPS.load(folder)


@pytest.mark.parametrize("kind", list(Kind))
def test_an_untrained_method_is_calibrated_on_all_training_answers(
    kind: Any, answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path
) -> None:
    method = calibrated(P_TRUE, kind)
    fitted, again = method.fit(answers, settings, [1, 2], SILENT)
    p = P_TRUE.p_correct(answers.evidence)
    expected = fit_calibrator(kind, p, answers.correct).predict(p)
    assert fitted.p_correct(answers.evidence).tolist() == expected.tolist()
    assert again.p_correct(answers.evidence).tolist() == expected.tolist()
    assert fitted.summary() == {"train_rows": 80, "calibration_rows": 80, "calibration_rows_right": 40}
    assert fitted.notes(answers.evidence) == {}
    assert (len(fitted.curve()), {"stage", "step", "loss", "accuracy"} - set(fitted.curve().columns)) == (0, set())
    fitted.save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["calibrated.json", "calibrator.json"]
    loaded = method.load(tmp_path)
    assert loaded.p_correct(answers.evidence).tolist() == expected.tolist()
    assert loaded.summary() == fitted.summary()


def test_parameters_are_those_of_method_and_calibrator(answers: TrainingAnswers, settings: TrainingSettings) -> None:
    def count(method: Any) -> Any:
        return method.fit(answers, settings, [0], SILENT)[0].parameters

    assert [count(calibrated(P_TRUE, kind)) for kind in ("temperature", "platt")] == [1, 2]
    assert count(calibrated(OWN_CCPS, "platt")) == count(OWN_CCPS) + 2
    steps = calibrated(Says(np.repeat([0.2, 0.5, 0.9, 0.95], 20)), "isotonic")
    uneven = answers._replace(correct=np.arange(80) % 20 < np.repeat([5, 10, 10, 15], 20))
    # Two pools of equal height, of which one spans two confidences: four points of two numbers.
    assert steps.fit(uneven, settings, [0], SILENT)[0].parameters == 8


def test_a_trained_method_never_sees_the_answers_it_is_calibrated_on(
    answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path
) -> None:
    learner = Learner()
    method = calibrated(learner, "platt")
    one, other = method.fit(answers, settings, [1, 2], SILENT)
    ((seen, seeds),) = learner.seen
    assert seeds == [1, 2]
    assert len(seen) == len(set(seen)) == round(80 * (1 - HELD_OUT))
    held_out = np.array([question not in seen for question in answers.question_ids])
    kept = np.flatnonzero(~held_out)
    for seed, fitted in ((1, one), (2, other)):
        rest = answers._replace(
            evidence=answers.evidence._replace(features=answers.evidence.features[kept], lengths=np.ones(64, int)),
            correct=answers.correct[kept],
            question_ids=[answers.question_ids[number] for number in kept.tolist()],
        )
        (plain,) = OWN_CCPS.fit(rest, settings, [seed], SILENT)
        p = plain.p_correct(answers.evidence)
        expected = fit_calibrator("platt", p[held_out], answers.correct[held_out]).predict(p)
        np.testing.assert_allclose(fitted.p_correct(answers.evidence), expected, atol=1e-5)
    summary = one.summary()
    # Of 64 questions the probe holds out 7 for its own validation; of 16 for the calibrator half are right.
    assert (summary["train_rows"], summary["validation_rows"]) == (57, 7)
    assert (summary["calibration_rows"], summary["calibration_rows_right"]) == (16, 8)
    one.save(tmp_path)
    assert {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.*")} == {
        "calibrated.json",
        "calibrator.json",
        "method/probe.json",
        "method/probe.safetensors",
    }
    assert method.load(tmp_path).p_correct(answers.evidence).tolist() == one.p_correct(answers.evidence).tolist()
    assert one.curve().equals(OWN_CCPS.load(tmp_path / "method").curve())


def test_a_calibrator_on_a_calibrator_keeps_both(
    answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path
) -> None:
    method = calibrated(LTS(), "platt")
    (fitted,) = method.fit(answers, settings, [1], SILENT)
    fitted.save(tmp_path)
    loaded = method.load(tmp_path)
    assert loaded.p_correct(answers.evidence).tolist() == fitted.p_correct(answers.evidence).tolist()
    assert loaded.parameters == fitted.parameters == 1 + 2


def test_answers_to_one_question_stay_on_one_side(answers: TrainingAnswers, settings: TrainingSettings) -> None:
    learner = Learner()
    twice = answers._replace(question_ids=[str(number % 40) for number in range(80)])
    (fitted,) = calibrated(learner, "temperature", held_out=0.5).fit(twice, settings, [0], SILENT)
    seen = learner.seen[0][0]
    assert len(seen) == fitted.summary()["calibration_rows"] == 40
    assert all(seen.count(question) == 2 for question in seen)


def test_what_a_method_says_of_itself_passes_through() -> None:
    for method in (P_TRUE, RandomDirections(), SAPLMAFinal(), Learner()):
        wrapped = calibrated(method, "temperature")
        assert wrapped.name == f"{method.name}_temperature"
        assert wrapped.label == f"{method.label}, temperature scaling"
        for name in ("direction", "needs", "reads_features", "is_control", "takes"):
            assert getattr(wrapped, name) == getattr(method, name)
        assert wrapped.training_needs == getattr(method, "training_needs", frozenset())
        assert method.source in wrapped.source
    assert calibrated(P_TRUE, "platt").label == "P(True), Platt"
    # Made one after the other, they do not overwrite each other.
    assert {calibrated(P_TRUE, kind).name for kind in Kind} == {
        f"p_true_{kind}" for kind in ("temperature", "platt", "isotonic", "intercept")
    }


def test_the_recipe_holds_all_that_decides(settings: TrainingSettings) -> None:
    def recipe(method: Any, given: Any = settings) -> Any:
        return OmegaConf.to_container(OmegaConf.structured(method.recipe(given)), enum_to_str=True)

    plain = recipe(calibrated(P_TRUE, "platt"))
    assert (plain["kind"], plain["held_out"], plain["method"]) == ("platt", 1.0, None)
    whole = recipe(calibrated(OWN_CCPS, "platt"))
    assert whole["method"] == recipe(OWN_CCPS)
    other = settings._replace(probe=replace(settings.probe, margin=2.0))
    different = [recipe(calibrated(OWN_CCPS, "isotonic")), recipe(calibrated(OWN_CCPS, "platt", 0.3))]
    for changed in (*different, recipe(calibrated(OWN_CCPS, "platt"), other)):
        assert changed != whole
    json.dumps(whole)


def test_answers_without_a_confidence_are_left_out_and_counted(
    answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path
) -> None:
    p = np.linspace(0.1, 0.9, 80)
    p[[3, 10, 11]] = np.nan
    says = Says(p)
    method = calibrated(says, "platt")
    (fitted,) = method.fit(answers, settings, [0], SILENT)
    known = np.isfinite(p)
    calibrator = fit_calibrator("platt", p[known], answers.correct[known])
    calibrated_p = fitted.p_correct(answers.evidence)
    assert calibrated_p[known].tolist() == calibrator.predict(p[known]).tolist()
    assert np.isnan(calibrated_p[~known]).all()
    assert np.array_equal(says.p, p, equal_nan=True)
    fitted.save(tmp_path)
    summary = {"calibration_rows": 77, "left out of calibration": {"no confidence": 3}}
    assert method.load(tmp_path).summary() == fitted.summary()
    assert {**fitted.summary(), **summary} == fitted.summary()
    with pytest.raises(UserError, match=r"Expected P\(correct\) of `says` to be known .* but got none for 80"):
        calibrated(Says(np.full(80, np.nan)), "platt").fit(answers, settings, [0], SILENT)


def test_what_cannot_be_calibrated_is_refused(answers: TrainingAnswers, settings: TrainingSettings) -> None:
    with pytest.raises(UserError, match=f"`calibrator` to be one of {', '.join(Kind)}, but got 'b'"):
        calibrated(P_TRUE, "b")
    for method in (P_TRUE, OWN_CCPS):
        with pytest.raises(UserError, match="right"):
            calibrated(method, "platt").fit(answers._replace(correct=np.ones(80, bool)), settings, [0], SILENT)
    with pytest.raises(UserError, match=r"but got 0\.5 in all 80 rows"):
        calibrated(Says(np.full(80, 0.5)), "platt").fit(answers, settings, [0], SILENT)


def test_lts_divides_both_logits_by_the_temperature_of_least_loss(
    answers: TrainingAnswers, settings: TrainingSettings
) -> None:
    (fitted,) = LTS().fit(answers, settings, [0], SILENT)
    no, yes = answers.evidence.read("self_evaluation").astype(float).T
    sign = np.where(answers.correct, 1, -1)

    def loss(log_t: Any) -> Any:
        return np.logaddexp(0, -sign * (yes - no) / np.exp(log_t)).mean()

    t = np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}).x)
    np.testing.assert_allclose(fitted.p_correct(answers.evidence), expit((yes - no) / t), atol=1e-4)
    assert fitted.parameters == 1
    assert LTS().needs == {"self_evaluation"}
    same = calibrated(P_TRUE, "temperature").fit(answers, settings, [0], SILENT)[0]
    assert fitted.p_correct(answers.evidence).tolist() == same.p_correct(answers.evidence).tolist()
