"""CCPS under a recipe that averages: one probe of all seeds, and what becomes of seeds that die."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from ccps.methods import Evidence, TrainedMethod, TrainingAnswers, TrainingSettings, find_method
from ccps.methods import ccps as module
from ccps.methods.fitted import FittedByProbe
from ccps.probes import FittedProbe, ProbeConfig, ProbeEnsemble, ProbeTask, StateProbeConfig, fit_probes
from ccps.probes.reporting import SILENT
from ccps.settings.probe import StageConfig

STAGE = StageConfig(steps=20, eval_every=20, learning_rate=3e-3, weight_decay=0.0)
RECIPE = ProbeConfig(contrastive=StageConfig(steps=0), classifier=STAGE, average=True, refits=2)
SETTINGS = TrainingSettings(RECIPE, StateProbeConfig(), 20.0, paper_probe=replace(RECIPE, average=False, refits=0))


@pytest.fixture
def answers() -> TrainingAnswers:
    rng = np.random.default_rng(0)
    correct = np.arange(60) % 3 == 0
    features = (rng.normal(size=(60, 75)) + 0.2 * correct[:, None]).astype(np.float32)
    return TrainingAnswers(Evidence(features, np.ones(60, dtype=np.int64), 9), correct, [str(n) for n in range(60)])


def method(name: str) -> TrainedMethod:
    found = find_method(name)
    assert isinstance(found, TrainedMethod)
    return found


def killing(seeds: Sequence[int]) -> Callable[..., list[FittedProbe]]:
    """`fit_probes` after which the encoders of some seeds are zero."""

    def fit(tasks: Sequence[ProbeTask], config: ProbeConfig, **options: object) -> list[FittedProbe]:
        probes = fit_probes(tasks, config)
        for task, probe in zip(tasks, probes, strict=True):
            if task.seed in seeds:
                for value in probe.network.encoder.parameters():
                    value.detach().zero_()
        return probes

    return fit


def fit(answers: TrainingAnswers, name: str = "ccps") -> list[FittedByProbe]:
    found = method(name).fit(answers, SETTINGS, [23, 24], SILENT)
    assert all(isinstance(one, FittedByProbe) for one in found)
    return found  # type: ignore[return-value]


def members(whole: FittedByProbe) -> list[int]:
    assert isinstance(whole.probe, ProbeEnsemble)
    return [probe.training.seed for probe in whole.probe.members]


def test_what_stands_for_all_seeds_comes_first(answers: TrainingAnswers) -> None:
    whole, *single = fit(answers)
    assert members(whole) == [23, 24]
    logits = [np.log(p / (1 - p)) for p in (one.p_correct(answers.evidence) for one in (whole, *single))]
    np.testing.assert_allclose(logits[0], (logits[1] + logits[2]) / 2, atol=1e-9)


def test_a_dead_seed_is_fitted_anew_from_a_further_one(
    answers: TrainingAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "fit_probes", killing([24, 25]))
    whole, _, second = fit(answers)
    assert members(whole) == [23, 26]
    assert second.p_correct(answers.evidence).std() > 1e-3
    assert whole.summary()["refitted"] == {"seed 24 gave one P for every answer: fitted anew from seed 26": 1}
    assert "seed 24 gave one P for every answer: fitted anew from seed 26" in capsys.readouterr().out


def test_a_seed_that_stays_dead_is_not_averaged_in(
    answers: TrainingAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "fit_probes", killing([24, 25, 26]))
    whole, first, second = fit(answers)
    assert members(whole) == [23]
    np.testing.assert_allclose(whole.p_correct(answers.evidence), first.p_correct(answers.evidence), rtol=1e-9)
    assert second.p_correct(answers.evidence).std() < 1e-6
    assert "seed 24 gives one P for every answer: not in the average" in capsys.readouterr().out


def test_where_all_are_dead_the_whole_is(answers: TrainingAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fit_probes", killing(range(23, 40)))
    whole, *_ = fit(answers)
    assert whole.p_correct(answers.evidence).std() < 1e-6


def test_the_recipe_of_the_paper_has_a_row_of_its_own(answers: TrainingAnswers) -> None:
    by_paper = fit(answers, "ccps_paper")
    assert [type(one.probe) for one in by_paper] == [FittedProbe, FittedProbe]
    assert method("ccps_paper").recipe(SETTINGS) == SETTINGS.paper_probe
    assert not method("ccps_paper").averages(SETTINGS)
    assert method("ccps").averages(SETTINGS)


def test_out_of_fold_begins_with_all_seeds(answers: TrainingAnswers) -> None:
    folds = np.arange(60) // 3 % 2
    p = method("ccps").out_of_fold(answers, folds, SETTINGS, [23, 24], SILENT)
    assert p.shape == (3, 60)
    logits = np.log(p / (1 - p))
    np.testing.assert_allclose(logits[0], logits[1:].mean(axis=0), atol=1e-9)


def test_a_calibrator_lies_on_the_whole(answers: TrainingAnswers) -> None:
    calibrated = find_method("ccps", "platt")
    assert isinstance(calibrated, TrainedMethod)
    assert calibrated.averages(SETTINGS)
    assert len(calibrated.fit(answers, SETTINGS, [23, 24], SILENT)) == 3
