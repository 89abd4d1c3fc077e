"""A fit that gives one P for every answer is found where it is made, said, and not given away without a word."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ccps.asking.interview import Manner
from ccps.core.artifacts import Artifact
from ccps.methods import Evidence, Fitted, TrainingAnswers, TrainingSettings, find_method
from ccps.methods.base import ALL_SEEDS
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.perturbation import FEATURE_NAMES
from ccps.pipeline.computing import run_stage
from ccps.pipeline.stage import Run
from ccps.probes import FittedProbe, ProbeConfig, ProbeEnsemble, Reporting, StateProbeConfig
from ccps.settings.method import MethodConfig
from ccps.settings.model import ModelConfig
from ccps.settings.probe import StageConfig
from ccps.stages.main import fit, scorers
from ccps.stages.main.counts import _collapsed_counts
from ccps.stages.main.fit import FitStage, collapsed_seeds, spreads

DECAYING = StageConfig(steps=300, eval_every=300, learning_rate=1e-3, weight_decay=0.3)
SETTINGS = TrainingSettings(ProbeConfig(contrastive=DECAYING, classifier=DECAYING), StateProbeConfig(), 20.0)
CCPS: Any = type(find_method("ccps"))


class SomeDie(CCPS):  # type: ignore[misc]
    """CCPS whose fits from some seeds have no decay, and so live."""

    def __init__(self, living: Sequence[int]) -> None:
        self.living = living

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        found: list[Fitted] = []
        for seed in seeds:
            stage = replace(DECAYING, weight_decay=0.0 if seed in self.living else DECAYING.weight_decay)
            own = settings._replace(probe=ProbeConfig(contrastive=stage, classifier=stage))
            found += super().fit(answers, own, [seed], reporting)
        return found


def fitted(
    root: Path, living: Sequence[int], monkeypatch: pytest.MonkeyPatch, settings: TrainingSettings = SETTINGS
) -> Artifact:
    rng = np.random.default_rng(0)
    correct = np.arange(80) % 2 == 0
    features = rng.normal(size=(80, len(FEATURE_NAMES))).astype(np.float32)
    features[:, 0] += 6 * correct
    evidence = Evidence(features, np.ones(80, dtype=np.int64), 100)
    known = TrainingAnswers(evidence, correct, [str(index) for index in range(80)])
    monkeypatch.setattr(fit, "graded_answers", lambda *_, **__: known)
    side: Any = SimpleNamespace(
        format="mc", labels="grades", evidence=lambda *_, **__: {"living": list(living)}, features={"gradient": None}
    )
    method = CCPS() if settings.probe.average else SomeDie(living)
    stage = FitStage(method, side, Artifact.at(root, "head", {}), "tiny", settings, [23, 24])
    monkeypatch.setattr(stage, "reads", list)
    return run_stage(stage, Run(root, "cpu"))


def save(artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    model = ModelConfig(source="folder", location="nowhere")
    monkeypatch.setattr(scorers, "manner_of", lambda *_: Manner())
    run: Any = SimpleNamespace(
        model="tiny",
        trained={"mc": {"ccps": artifact}},
        choices={},
        trains={"mc": SimpleNamespace(answers=SimpleNamespace(inputs={"model": "fingerprint"}))},
    )
    config: Any = SimpleNamespace(
        method={"ccps": MethodConfig("ccps")},
        seeds=[23, 24],
        model={"tiny": model},
        perturbation=SimpleNamespace(radius=20.0, steps=5),
        answering=None,
    )
    scorers.save_scorers(run, config, folder)
    return [path for path in folder.rglob("*") if path.is_file()]


def test_all_seeds_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = fitted(tmp_path / "artifacts", [23, 24], monkeypatch)
    assert collapsed_seeds(artifact) == []
    assert list(spreads(artifact)) == [23, 24]
    assert min(spreads(artifact).values()) > 0.1
    assert artifact.reasons("collapsed") == {}
    assert _collapsed_counts("here", "ccps", artifact) == []
    assert save(artifact, tmp_path / "scorers", monkeypatch)
    stored = StoredScorer.load(tmp_path / "scorers" / "mc")
    assert isinstance(stored.probe, FittedProbe)
    assert stored.probe.training.seed == 23
    assert stored.settings.spread == spreads(artifact)[23]
    said = capsys.readouterr().out
    assert "one P for every answer" not in said
    assert "scorer" not in said


def test_where_seeds_are_averaged_the_probe_of_all_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    living = StageConfig(steps=60, eval_every=20, learning_rate=1e-3)
    averaging = ProbeConfig(contrastive=StageConfig(steps=0), classifier=living, average=True, refits=1)
    artifact = fitted(tmp_path / "artifacts", [], monkeypatch, SETTINGS._replace(probe=averaging))
    assert list(spreads(artifact)) == [ALL_SEEDS, 23, 24]
    assert artifact.rows().to_pandas()["seed"].unique().tolist() == [23, 24]  # curves are those of single seeds
    assert artifact.summary["averaged"] == 2
    save(artifact, tmp_path / "scorers", monkeypatch)
    stored = StoredScorer.load(tmp_path / "scorers" / "mc")
    assert isinstance(stored.probe, ProbeEnsemble)
    assert [probe.training.seed for probe in stored.probe.members] == [23, 24]
    assert stored.settings.spread == spreads(artifact)[ALL_SEEDS]


def test_a_dead_first_seed_is_said_and_the_next_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = fitted(tmp_path / "artifacts", [24], monkeypatch)
    assert collapsed_seeds(artifact) == [23]
    assert artifact.reasons("collapsed") == {"seed 23 gives one P for every answer": 1}
    assert "collapsed (seed 23 gives one P for every answer) 1" in capsys.readouterr().out
    (count,) = _collapsed_counts("tiny, mc, ccps", "ccps", artifact)
    assert tuple(count) == (
        "collapsed probes, tiny, mc, ccps",
        1,
        "seed 23: one P for every answer; the scorer is that of seed 24",
    )
    assert save(artifact, tmp_path / "scorers", monkeypatch)
    assert "seed 23 gives one P for every answer" in capsys.readouterr().out
    probe = StoredScorer.load(tmp_path / "scorers" / "mc").probe
    assert isinstance(probe, FittedProbe)
    assert probe.training.seed == 24


def test_nothing_is_exported_where_all_seeds_are_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = fitted(tmp_path / "artifacts", [], monkeypatch)
    assert collapsed_seeds(artifact) == [23, 24]
    (of_ccps,) = _collapsed_counts("here", "ccps", artifact)
    assert of_ccps.reason == "seeds 23, 24: one P for every answer; no scorer is written"
    (of_another,) = _collapsed_counts("here", "saplma_m", artifact)
    assert of_another.reason == "seeds 23, 24: one P for every answer"
    capsys.readouterr()
    assert save(artifact, tmp_path / "scorers", monkeypatch) == []
    assert not (tmp_path / "scorers").exists()
    assert "not written · every seed gives one P for every answer" in capsys.readouterr().out


@pytest.mark.parametrize(("spread", "warned"), [(1e-9, True), (0.2, False), (None, False)])
def test_load_says_that_a_probe_has_collapsed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spread: float | None,
    warned: bool,
) -> None:
    folder = tmp_path / "scorers"
    save(fitted(tmp_path / "artifacts", [23], monkeypatch), folder, monkeypatch)
    stored = StoredScorer.load(folder / "mc")
    marked: ScorerSettings = replace(stored.settings, spread=spread)
    StoredScorer(stored.fitted, marked).save(folder / "marked")
    if spread is None:  # as it was before this was measured
        path = folder / "marked" / "scorer.json"
        lines = [line for line in path.read_text().splitlines(keepends=True) if '"spread"' not in line]
        path.write_text("".join(lines))
    capsys.readouterr()
    assert StoredScorer.load(folder / "marked").settings == marked
    assert ("this probe gives one P for every answer" in capsys.readouterr().out) is warned
