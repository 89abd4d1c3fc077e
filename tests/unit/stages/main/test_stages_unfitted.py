"""A method that the training answers do not let learn is left out with its reason; a wrong setting ends the run."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError, WrongSettingError, expected
from ccps.core.settings import SettingsError
from ccps.methods import Evidence, Fitted, TrainedMethod, TrainingAnswers, TrainingSettings, find_method
from ccps.perturbation import FEATURE_NAMES
from ccps.pipeline.computing import run_stage
from ccps.pipeline.stage import Run
from ccps.probes import ProbeConfig, Reporting, StateProbeConfig
from ccps.stages.main import fit, score, scorers
from ccps.stages.main.counts import _training_counts
from ccps.stages.main.fit import FitStage, check_some_fitted, fitted_parts, taken_along, why_unfitted
from ccps.stages.main.score import ScoreStage

SETTINGS = TrainingSettings(ProbeConfig(), StateProbeConfig(), 20.0)
LOGISTIC: Any = type(find_method("ccps_logistic"))


class Refusing(LOGISTIC):  # type: ignore[misc]
    """A method that raises what it is given."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        raise self.error


def fitted(root: Path, method: TrainedMethod, right: int, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """What the fit stage makes of 40 answers."""
    features = np.random.default_rng(0).normal(size=(40, len(FEATURE_NAMES))).astype(np.float32)
    evidence = Evidence(features, np.ones(40, dtype=np.int64), 100)
    known = TrainingAnswers(evidence, np.arange(40) < right, [str(index) for index in range(40)])
    monkeypatch.setattr(fit, "graded_answers", lambda *_, **__: known)
    stage = FitStage(method, side(right), Artifact.at(root, "head", {}), "tiny", SETTINGS, [23])
    monkeypatch.setattr(stage, "reads", list)
    return run_stage(stage, Run(root, "cpu"))


def side(right: int) -> Any:
    return SimpleNamespace(
        format="mc",
        label="boats",
        labels="grades",
        evidence=lambda *_, **__: {"right": right},
        features={"gradient": 0},
    )


@pytest.mark.parametrize("name", ["ccps_logistic", "ccps", "ccps_logistic_platt"])
def test_answers_that_are_all_right_leave_the_method_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    method = find_method(name.removesuffix("_platt"), "platt" if name.endswith("_platt") else None)
    assert isinstance(method, TrainedMethod)
    artifact = fitted(tmp_path, method, 40, monkeypatch)
    reason = why_unfitted(artifact)
    assert "cannot be fitted" in reason
    assert f"not fitted {reason}" in " ".join(capsys.readouterr().out.split())
    assert artifact.complete
    assert fitted_parts(artifact) == []
    assert taken_along(method, artifact) is None
    assert list(artifact.rows().to_pandas()) == ["stage", "step", "train_loss", "loss", "accuracy", "seed"]
    assert _training_counts("here", artifact) == [("methods not fitted, here", 1, reason)]
    with pytest.raises(UserError, match="some of the trained methods to be fitted, but got none"):
        check_some_fitted({"here": artifact})


def test_what_is_fitted_gives_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = fitted(tmp_path, LOGISTIC(), 20, monkeypatch)
    assert why_unfitted(artifact) == ""
    assert fitted_parts(artifact) == [None]
    assert _training_counts("here", artifact) == []


@pytest.mark.parametrize(
    "error",
    [SettingsError(["`probe.dropout` to be in [0, 1)"]), expected("`a`", "b", "c", "Set it.", WrongSettingError)],
)
def test_a_wrong_setting_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    with pytest.raises(WrongSettingError) as caught:
        fitted(tmp_path, Refusing(error), 20, monkeypatch)
    assert caught.value is error


def test_a_run_goes_on_where_one_method_is_fitted_and_ends_where_none_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fitted(tmp_path / "one", Refusing(UserError("Too few rows.")), 20, monkeypatch)
    two = fitted(tmp_path / "two", Refusing(UserError("Too few kinds.")), 20, monkeypatch)
    alive = fitted(tmp_path / "alive", LOGISTIC(), 20, monkeypatch)
    missing = Artifact.at(tmp_path, "fit", {"never": "made"})
    check_some_fitted({})
    check_some_fitted({"a": missing})
    check_some_fitted({"a": one, "b": alive, "c": missing})
    with pytest.raises(UserError) as caught:
        check_some_fitted({"a": one, "b": one, "c": two, "d": missing})
    assert str(caught.value).endswith("but got none:\n  - a, b: Too few rows.\n  - c: Too few kinds.")


def test_it_says_nothing_of_any_answer_and_no_scorer_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    method = Refusing(UserError("Too few rows."))
    trained = fitted(tmp_path, method, 20, monkeypatch)
    answers = SimpleNamespace(question_ids=["a", "b"], correct=np.array([True, False]), evidence=None, left_out={})
    monkeypatch.setattr(score, "graded_answers", lambda *_: answers)
    stage = ScoreStage(method, side(20), Artifact.at(tmp_path, "head", {}), trained, "tiny")
    monkeypatch.setattr(stage, "reads", list)
    scored = run_stage(stage, Run(tmp_path, "cpu"))
    assert scored.summary["scored"] == 0
    assert scored.reasons("not scored") == {"the method says nothing of them": 2}
    assert scored.rows().num_rows == 0
    capsys.readouterr()
    run: Any = SimpleNamespace(model="tiny", trained={"mc": {method.name: trained}}, choices={}, trains={"mc": None})
    config: Any = SimpleNamespace(method={"one": SimpleNamespace(name=method.name, calibrator=None)})
    scorers.save_scorers(run, config, tmp_path / "scorers")
    assert not (tmp_path / "scorers").exists()
    assert "not written" in capsys.readouterr().out
