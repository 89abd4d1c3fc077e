import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from wandb_run import Run

from ccps.core.errors import UserError
from ccps.integrations import wandb as bridge
from ccps.integrations.wandb import log_experiment, log_reliability, log_scorer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("tables", "figures"):
        (tmp_path / name).mkdir()
    (tmp_path / "tables" / "results.csv").write_text("metric,seed,value\nece,23,0.1\nauroc,all,\nacc,,1\n")
    for name in ("reliability-m", "chosen-m-mc", "cost-m"):
        Image.new("RGB", (2, 2)).save(tmp_path / "figures" / f"{name}.png")
    return tmp_path


def test_tables_and_reliability_diagrams_of_an_experiment_are_logged(folder: Path) -> None:
    run = Run()
    keys = log_experiment(run, folder)
    assert keys == ["tables/results", "figures/chosen-m-mc", "figures/reliability-m"]
    table = run.logged["tables/results"]
    assert table.columns == ["metric", "seed", "value"]
    assert table.data == [["ece", "23", 0.1], ["auroc", "all", None], ["acc", None, 1.0]]


def test_a_long_table_is_cut_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "MOST_ROWS", 2)
    run = Run()
    log_experiment(run, folder)
    assert len(run.logged["tables/results, first 2"].data) == 2


def test_a_reliability_curve_has_the_share_of_right_answers_of_each_bin() -> None:
    run = Run()
    p, correct = np.array([0.11, 0.13, 0.81, 0.83, 0.85, 0.87]), np.array([0, 0, 1, 1, 0, 1])
    log_reliability(run, "CCPS", p, correct)
    points = run.logged["CCPS/reliability_points"].data
    assert points == [[pytest.approx(0.12), 0.0, 2], [pytest.approx(0.84), 0.75, 4]]
    # (2 · |0.12 − 0| + 4 · |0.84 − 0.75|) / 6
    assert run.logged["CCPS/ece"] == pytest.approx(0.1)
    curve = run.logged["CCPS/reliability"]
    assert curve.table.data == points


def test_a_scorer_is_an_artifact_of_type_model(tmp_path: Path) -> None:
    (tmp_path / "scorer.json").write_text(json.dumps({"method": "ccps", "format": "mc", "fingerprint": "f", "x": 1}))
    (tmp_path / "probe.safetensors").write_bytes(b"0")
    run = Run()
    artifact = log_scorer(run, tmp_path, "my-scorer")
    assert run.artifacts == [artifact]
    assert (artifact.type, artifact.name) == ("model", "my-scorer")
    assert artifact.metadata["method"] == "ccps"
    assert sorted(artifact.manifest.entries) == ["probe.safetensors", "scorer.json"]


def test_folders_without_an_experiment_or_a_scorer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the folder of an experiment that has ended"):
        log_experiment(Run(), tmp_path)
    with pytest.raises(UserError, match=r"a folder that `ConfidenceScorer.save` wrote"):
        log_scorer(Run(), tmp_path, "name")
