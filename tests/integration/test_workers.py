"""The commands of docs/cluster.md by which engines start workers, given to a shell."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from tiny import Tiny, write_questions

from ccps.pipeline.worker import NOTHING_LEFT

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "docs" / "cluster.md"
SMALL = ("answering.shard_questions=2", "answering.max_batch_tokens=1", "seeds=[23]", "method=[ccps_logistic,entropy]")


@pytest.fixture
def place(tmp_path: Path) -> Tiny:
    write_questions(tmp_path / "trees.jsonl", 16, seed=3)
    write_questions(tmp_path / "boats.jsonl", 9, seed=4)
    return Tiny(tmp_path, tmp_path)


def shell(line: str, place: Tiny, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of the guide, its experiment replaced by a tiny one."""
    command = place.command(*SMALL, *more)
    line = line.replace("experiment=paper", " ".join(map(shlex.quote, command[3:])))
    line = line.replace("python -m", f"{shlex.quote(command[0])} -m")
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=1200, check=False)


def line_of_the_guide(program: str) -> str:
    """The line of the guide in which a program starts a worker."""
    lines = map(str.strip, GUIDE.read_text(encoding="utf-8").splitlines())
    (line,) = [line for line in lines if line.startswith(program) and "worker=" in line]
    return line


def test_xargs_shares_a_run_among_processes_of_a_machine(place: Tiny) -> None:
    line = line_of_the_guide("seq ").replace("seq 8", "seq 3").replace("-P 8", "-P 3").replace("/8", "/3")
    said = ""
    for _ in range(12):
        ended = shell(line, place)
        assert ended.returncode == 0, ended.stderr
        said = ended.stdout
        if said.count(NOTHING_LEFT) == 3:
            break
    assert said.count(NOTHING_LEFT) == 3
    assert len({path.name.split("-")[1] for path in place.artifacts.glob("answer/*/costs.shared-*")}) == 3
    alone = subprocess.run(place.command(*SMALL), capture_output=True, text=True, timeout=1200, check=False)
    assert alone.returncode == 0, alone.stderr
    assert not re.search(r"^(answer|extract|fit) .* done in", alone.stdout, re.MULTILINE)  # found, not made
    assert (place.output / "report.html").exists()


def test_workers_that_wait_for_each_other_need_one_round(place: Tiny) -> None:
    line = line_of_the_guide("seq ").replace("seq 8", "seq 3").replace("-P 8", "-P 3").replace("/8", "/3")
    ended = shell(line, place, "worker_wait=5")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count(NOTHING_LEFT) == 3


def test_a_slurm_array_numbers_its_workers(place: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SLURM runs the script: with the number and the count of the array in its environment."""
    line = line_of_the_guide("srun ").removeprefix("srun ")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "3")
    ended = shell(line, place, "stages=[answer]")
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^worker +2/3 · done · \d+ shards of `answer`.* are in other hands", ended.stdout, re.MULTILINE)


def test_a_kubernetes_job_numbers_its_workers_from_0(place: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    given = line_of_the_guide("worker=").replace("worker_wait=30", "worker_wait=0")
    ended = shell(f"python -m experiments.reproduce experiment=paper {given}", place, "stages=[answer]")
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^worker +1/8 · done · ", ended.stdout, re.MULTILINE)
