"""The jobs of a multirun, handed to submitit as a cluster would get them, and to joblib."""

import subprocess
from pathlib import Path

import pytest
from tiny import Tiny, write_questions

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("launcher", ["slurm_local", "joblib"])
def test_each_job_of_a_multirun_leaves_its_own_artifacts(tmp_path: Path, launcher: str) -> None:
    write_questions(tmp_path / "trees.jsonl", 6, seed=3)
    write_questions(tmp_path / "boats.jsonl", 6, seed=4)
    place = Tiny(tmp_path, tmp_path)
    swept = ["stages=[answer]", "answering.shard_questions=3,4", "-m", f"launcher={launcher}"]
    for _ in range(2):  # a job that is queued again finds what it has left
        ended = subprocess.run(place.command(*swept), capture_output=True, text=True, timeout=1200, check=False)
        assert ended.returncode == 0, ended.stderr
    manifests = list(place.artifacts.glob("answer/*/manifest.json"))
    assert len(manifests) == 4  # two jobs, training and test
    for manifest in manifests:
        assert len(list(manifest.parent.glob("0*"))) == 2
        assert (manifest.parent / "costs.0.jsonl").read_text().count('"shard"') == 2  # nothing was computed twice


def test_several_processes_of_a_job_share_its_work(tmp_path: Path) -> None:
    """Submitit starts both, as SLURM would; Lightning joins them."""
    write_questions(tmp_path / "trees.jsonl", 6, seed=3)
    write_questions(tmp_path / "boats.jsonl", 6, seed=4)
    place = Tiny(tmp_path, tmp_path)
    settings = ["stages=[answer]", "answering.shard_questions=2", "answering.max_batch_tokens=1"]
    command = place.command(*settings, "-m", "launcher=slurm_local", "trainer.devices=2")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert ended.returncode == 0, ended.stderr
    assert len(list(place.artifacts.glob("answer/*/manifest.json"))) == 2
    assert {path.name for path in place.artifacts.glob("answer/*/costs.*.jsonl")} == {"costs.0.jsonl", "costs.1.jsonl"}
