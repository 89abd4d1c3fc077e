"""Two processes over gloo share a run, as the command line starts them."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny import Tiny, benchmark, write_questions

pytestmark = pytest.mark.slow

NOT_CONTENT = ("costs.0.jsonl", "costs.1.jsonl", ".lock")
SMALL = (
    "answering.shard_questions=2",
    "answering.max_batch_tokens=1",
    "trainer.threads=1",
    "seeds=[23]",
    "method=[ccps,entropy]",
)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    write_questions(folder / "trees.jsonl", 40, seed=3)
    write_questions(folder / "boats.jsonl", 9, seed=4)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files but what says how long they took."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in NOT_CONTENT
    }


def run(place: Tiny, *settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(place.command(*SMALL, *settings), capture_output=True, text=True, timeout=1200, check=False)


def test_two_processes_write_what_one_writes(tmp_path: Path, questions: Path) -> None:
    two, one = Tiny(tmp_path / "two", questions), Tiny(tmp_path / "one", questions)
    ended = run(two, "trainer.devices=2")
    assert ended.returncode == 0, ended.stderr
    alone = run(one)
    assert alone.returncode == 0, alone.stderr

    stages = ("answer", "head", "grade", "extract", "fit", "out_of_fold", "choose", "score", "evaluate")
    for stage in stages:
        assert contents(two.artifacts / stage) == contents(one.artifacts / stage), stage
    shards = {path.name: len(path.read_text().split("\n")) - 1 for path in two.artifacts.glob("answer/*/costs.*.jsonl")}
    assert shards.keys() == {"costs.0.jsonl", "costs.1.jsonl"}  # both have worked
    assert (two.output / "tables" / "results.csv").read_bytes() == (one.output / "tables" / "results.csv").read_bytes()
    # Each line is said by one process.
    said = [line.split(" · ")[0] for line in ended.stdout.splitlines() if line.startswith(("answer", "fit", "output"))]
    assert len(said) == len(set(said))


def test_what_is_wrong_is_said_once(tmp_path: Path, questions: Path) -> None:
    place = Tiny(tmp_path, questions)
    gone = benchmark(tmp_path / "absent.jsonl")
    ended = run(place, f"test.boats={gone}", "trainer.devices=2")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("absent.jsonl") == 1


@contextmanager
def answering(place: Tiny) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Two processes that have written a first shard: the first one, and the number of the other."""
    command = place.command(*SMALL, "trainer.devices=2", "stages=[answer]")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not list(place.artifacts.glob("answer/*/0*")):
            assert process.poll() is None
            time.sleep(0.01)
        # Beside it may be the small one that renders chat templates.
        (child,) = (pid for pid in children(process.pid) if "experiments.reproduce" in command_of(pid))
        yield process, child


def test_a_process_that_dies_ends_the_run_which_goes_on_when_called_again(tmp_path: Path, questions: Path) -> None:
    place = Tiny(tmp_path, questions)
    with answering(place) as (process, child):
        os.kill(child, signal.SIGKILL)
        error = process.communicate(timeout=1200)[1]
    assert process.returncode != 0
    assert "died" in error or "terminated" in error
    left = {path: path.stat().st_mtime_ns for path in place.artifacts.glob("answer/*/0*")}
    assert left

    ended = run(place, "trainer.devices=2", "stages=[answer]")
    assert ended.returncode == 0, ended.stderr
    assert {path: path.stat().st_mtime_ns for path in left} == left  # kept, not computed again
    assert len(list(place.artifacts.glob("answer/*/manifest.json"))) == 2


def test_a_signal_to_the_first_process_ends_all_of_them(tmp_path: Path, questions: Path) -> None:
    place = Tiny(tmp_path, questions)
    with answering(place) as (process, child):
        process.terminate()
        error = process.communicate(timeout=600)[1]
    assert process.returncode == 143
    assert error.strip() == "Stopped. Run the same command again to go on from the last whole shard."
    for _ in range(600):
        if not Path(f"/proc/{child}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists()
    assert not list(place.artifacts.glob("answer/*/manifest.json"))


def command_of(pid: int) -> list[str]:
    """What a process was called with."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):  # it has ended meanwhile
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found
