"""Two processes on two cores beside one process on one core, through the entry point that a user starts."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ccps.core.errors import UserError
from experiments.benchmarks.page import Figure, Target
from experiments.benchmarks.timing import ratios, spread, take_turns

TITLE = "Processes"
TARGET = Target("≥", 1.6)
TEST_PER_SUBJECT, TRAIN = 10, 57
TEXT = (
    f"`python -m experiments.reproduce` on a fresh folder, from the questions to the features: {TEST_PER_SUBJECT} "
    f"questions of each subject of MMLU and {TRAIN} of ARC-Easy, one token each, one thread to a process. Two "
    "processes (`trainer.devices=2`) have two cores, one process has one. Their time is what the stages have noted "
    "for their shards, of the process that took longest: the model's loading counts, the start of Python and its "
    "packages does not, which is the same for any number of questions. The whole command, all of that with it, stands "
    "below."
)
_ROOT = Path(__file__).parents[2]
_TIMES = "Two processes, times the speed of one on one core"
_STAGES = ("answer", "extract")
_LAST_LINES = 3


def command(model: str, folder: Path, devices: int) -> list[str]:
    """The command that answers and extracts in so many processes."""
    return [
        sys.executable,
        "-m",
        "experiments.reproduce",
        "experiment=smoke",
        f"model=[{model}]",
        "benchmark@train=[arc_easy]",
        "benchmark@test=[mmlu]",
        f"sampling.train_total={TRAIN}",
        f"sampling.test_per_subject={TEST_PER_SUBJECT}",
        "answering.shard_questions=8",  # so that both get as many
        "method=[ccps]",
        "grader=[substring]",
        f"stages=[{','.join(['grade', *_STAGES])}]",
        "trainer=cpu",
        f"trainer.devices={devices}",
        "trainer.threads=1",
        "logger=none",
        f"paths.artifacts={folder / 'artifacts'}",
        f"paths.output={folder / 'output'}",
    ]


def run_on(cores: Collection[int], arguments: Sequence[str]) -> None:
    """Run a command that may use some cores only, and no GPU.

    Raises:
        UserError: it fails; with the last that it said.
    """
    with _only(cores):
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "NO_COLOR": "1"}
        done = subprocess.run(arguments, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).strip().splitlines()[-_LAST_LINES:])
        raise UserError(f"`{' '.join(arguments[1:3])}` ended with {done.returncode}: {said}")


@contextmanager
def _only(cores: Collection[int]) -> Iterator[None]:
    """What is started inside the block inherits these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def shard_seconds(artifacts: Path) -> float:
    """Seconds that the stages have noted for their shards, in each artifact of the process that took longest."""
    total = 0.0
    for stage in _STAGES:
        for artifact in (artifacts / stage).iterdir():
            total += max(_noted(file) for file in artifact.glob("costs*.jsonl"))
    return total


def _noted(costs: Path) -> float:
    return sum(float(json.loads(line)["seconds"]) for line in costs.read_text().splitlines() if line)


def measure_processes(
    model: str, repetitions: int, run: Callable[[Collection[int], Sequence[str]], None] = run_on
) -> list[Figure]:
    """Time both, in turns.

    Args:
        model: a key in `conf/model`.
        repetitions: how often.
        run: runs a command on some cores.

    Raises:
        UserError: this machine has one core, or does not let a process be bound to one; or the command fails.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        raise UserError("two cores are needed, and a system that binds a process to one of them.")
    computing: dict[int, list[float]] = {1: [], 2: []}

    def reproduce(devices: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run(cores[:devices], command(model, Path(folder), devices))
            computing[devices].append(shard_seconds(Path(folder) / "artifacts"))

    reproduce(2)  # fills the system's cache of files
    computing[2].clear()
    seconds, _ = take_turns({"one": lambda: reproduce(1), "two": lambda: reproduce(2)}, repetitions, "processes")
    return [
        Figure.of("One process on one core", model, spread(computing[1]), "s"),
        Figure.of("Two processes on two cores", model, spread(computing[2]), "s"),
        Figure.of(_TIMES, model, ratios(computing[1], computing[2]), "×", TARGET),
        Figure.of("The whole command, one process", model, spread(seconds["one"]), "s"),
        Figure.of("The whole command, two processes", model, spread(seconds["two"]), "s"),
        Figure.of("The whole command, times the speed of one", model, ratios(seconds["one"], seconds["two"]), "×"),
    ]


def missing(model: str, reason: str) -> list[Figure]:
    """What stands in the place of the figures if they cannot be measured."""
    return [Figure.missing(_TIMES, model, reason, TARGET)]
