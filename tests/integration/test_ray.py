"""A run whose shards are made by actors of Ray: on one machine, and on a cluster of three nodes that come and go."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny import Tiny, write_questions
from tiny_faithful import TinyFaithful, write_sums

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'ccps[ray]'")
pytestmark = pytest.mark.slow

SMALL = (
    "answering.shard_questions=2",
    "answering.max_batch_tokens=1",
    "seeds=[23]",
    "method=[ccps_logistic,entropy,self_consistency]",
    "trainer.threads=1",
)
SWEEP = (
    "sweep=smoke",
    "sweep.mc={radii:[5,20],steps:[5],directions:[gradient],training_steps:4}",
    "sweep.folds=2",
    "sweep.at_chance=keep",
)
ON_RAY = ("run_on=ray", "ray.gpus_per_worker=0")


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    write_questions(folder / "trees.jsonl", 40, seed=3)
    write_questions(folder / "boats.jsonl", 9, seed=4)
    return folder


@pytest.fixture(scope="module")
def alone(questions: Path, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """What one process makes."""
    place = Tiny(tmp_path_factory.mktemp("alone"), questions)
    ended = run(place.command(*SMALL))
    assert ended.returncode == 0, ended.stderr
    return place


def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)


def made(artifacts: Path) -> dict[str, bytes]:
    """Every file that a manifest vouches for, and the manifests, but for the report, which tells what was found."""
    return {
        path.relative_to(artifacts).as_posix(): path.read_bytes()
        for path in sorted(artifacts.glob("*/*/[!.]*/**/*")) + sorted(artifacts.glob("*/*/manifest.json"))
        if path.is_file() and "report" not in path.relative_to(artifacts).parts[0]
    }


def notes(artifacts: Path) -> Counter[tuple[str, int]]:
    """How often actors have noted what a shard cost."""
    return Counter(
        (str(file.parent), json.loads(line)["shard"])
        for file in artifacts.glob("*/*/costs.shared-ray-*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line
    )


def test_actors_write_what_one_process_writes(tmp_path: Path, questions: Path, alone: Tiny) -> None:
    place = Tiny(tmp_path, questions)
    ended = run(place.command(*SMALL, *ON_RAY))
    assert ended.returncode == 0, ended.stderr
    assert made(place.artifacts) == made(alone.artifacts)
    assert (place.output / "tables" / "results.csv").read_bytes() == (
        alone.output / "tables" / "results.csv"
    ).read_bytes()
    found = notes(place.artifacts)
    assert {Path(artifact).parent.name for artifact, _ in found} >= {"answer", "sample", "extract", "head"}
    assert set(found.values()) == {1}
    said = re.findall(r"^(\w+) +(.*?) · ", ended.stdout, re.MULTILINE)
    assert len(said) == len(set(said))  # one line for each, as in one process
    again = run(place.command(*SMALL, *ON_RAY))
    assert again.returncode == 0, again.stderr
    assert "ray  " not in again.stdout  # a run that finds everything joins no cluster


@pytest.mark.parametrize("job", ["sweep", "faithful"])
def test_the_other_jobs_are_the_same_too(tmp_path: Path, questions: Path, job: str) -> None:
    found = []
    for name, more in (("alone", ()), ("ray", ON_RAY)):
        folder = tmp_path / name
        if job == "sweep":
            given = [*Tiny(folder, questions).overrides(*SMALL), *SWEEP]
            overrides = list({text.split("=", 1)[0]: text for text in given if not text.startswith("method=")}.values())
        else:
            overrides = TinyFaithful(folder, write_sums(tmp_path / "sums.jsonl")).overrides("trainer.threads=1")
        ended = run([sys.executable, "-m", f"experiments.{job}", *overrides, *more])
        assert ended.returncode == 0, ended.stderr
        found.append(made(folder / "artifacts"))
    assert found[0]
    assert found[1] == found[0]


def test_a_run_goes_on_under_ray_and_back(tmp_path: Path, questions: Path, alone: Tiny) -> None:
    place = Tiny(tmp_path, questions)
    for more in ((), ON_RAY):  # each is stopped in the midst of the answers
        with subprocess.Popen(
            place.command(*SMALL, *more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            before = len(shards(place, "answer"))
            while len(shards(place, "answer")) <= before:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=600) == 128 + signal.SIGTERM
    ended = run(place.command(*SMALL))
    assert ended.returncode == 0, ended.stderr
    assert made(place.artifacts) == made(alone.artifacts)


def shards(place: Tiny, stage: str) -> list[Path]:
    return list(place.artifacts.glob(f"{stage}/*/0*"))


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head that has no place for an actor, and a node that has one."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


@pytest.mark.parametrize("stage", ["answer", "sample", "extract"])
def test_a_node_that_is_lost_in_the_midst_and_two_that_come_change_nothing(
    tmp_path: Path, questions: Path, alone: Tiny, cluster: Any, stage: str
) -> None:
    place = Tiny(tmp_path, questions)
    (lost,) = cluster.worker_nodes
    command = place.command(*SMALL, *ON_RAY, f"ray.address={cluster.address}")
    with (tmp_path / "said").open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        while not shards(place, stage):
            assert process.poll() is None, (tmp_path / "said").read_text()
            time.sleep(0.005)
        cluster.remove_node(lost, allow_graceful=False)  # at once: a toy of a stage is soon over
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        code = process.wait(timeout=1200)
    assert code == 0, (tmp_path / "said").read_text()
    assert made(place.artifacts) == made(alone.artifacts)
    found = notes(place.artifacts)
    assert len({file.name for file in place.artifacts.glob("*/*/costs.shared-ray-*")}) > 1  # other actors went on
    # What was there was not made again; the shard in hand may have been noted before its node was lost.
    assert sum(number - 1 for number in found.values()) <= 1


def test_a_cluster_that_cannot_be_reached_is_the_users_to_mend(tmp_path: Path, questions: Path) -> None:
    ended = run(Tiny(tmp_path, questions).command(*SMALL, *ON_RAY, "ray.address=127.0.0.1:1"))
    assert ended.returncode == 2, ended.stderr
    assert "Expected `ray.address` to be a cluster of Ray that can be reached" in ended.stderr
    assert "Traceback" not in ended.stderr.split("Expected `ray.address`")[1]


def test_what_no_node_has_is_refused(tmp_path: Path, questions: Path) -> None:
    cores = 4 * (os.cpu_count() or 1)
    ended = run(Tiny(tmp_path, questions).command(*SMALL, *ON_RAY, f"ray.cpus_per_worker={cores}"))
    assert ended.returncode == 2
    assert f"to be one with a node that has {cores} CPU, but got none of 1" in ended.stderr
