import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.stages.main.checks import to_config
from experiments.benchmarks.processes import command, measure_processes, missing, run_on, shard_seconds
from experiments.launch import checked_overrides

needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="this system binds no process to a core"
)


def note(artifacts: Any, stage: Any, rank: Any, *seconds: Any) -> None:
    folder = artifacts / stage / "key"
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join("\n" + json.dumps({"shard": 0, "seconds": value}) for value in seconds)
    (folder / f"costs.{rank}.jsonl").write_text(lines)


def test_the_slowest_process_of_each_stage_counts(tmp_path: Path) -> None:
    note(tmp_path, "answer", 0, 3.0, 1.0)
    note(tmp_path, "answer", 1, 2.5)
    note(tmp_path, "extract", 0, 0.5)
    note(tmp_path, "extract", 1, 0.75)
    note(tmp_path, "grade", 0, 99.0)
    assert shard_seconds(tmp_path) == 4.75


def test_the_entry_point_takes_the_command(tmp_path: Path) -> None:
    arguments = command("smollm2_135m", tmp_path, 2)
    assert arguments[:3] == [sys.executable, "-m", "experiments.reproduce"]
    checked_overrides(arguments[3:], "config", to_config)


@needs_affinity
def test_two_processes_have_two_cores_and_one_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 7, 9})
    runs = []

    def run(cores: Any, arguments: Any) -> None:
        settings = dict(argument.split("=", 1) for argument in arguments[3:])
        devices = int(settings["trainer.devices"])
        runs.append((devices, list(cores), settings["trainer.threads"]))
        artifacts = Path(settings["paths.artifacts"])
        for rank in range(devices):
            note(artifacts, "answer", rank, 8.0 / devices)
            note(artifacts, "extract", rank, 1.0 / devices**2)

    figures = {figure.what: figure for figure in measure_processes("m", 2, run)}
    one, two = (1, [4], "1"), (2, [4, 7], "1")
    assert runs == [two, one, two, two, one]  # the first warms up
    assert figures["One process on one core"].value == 9
    assert figures["Two processes on two cores"].value == 4.25
    times = figures[missing("m", "")[0].what]
    assert times.value == pytest.approx(9 / 4.25)
    assert times.met is True


@needs_affinity
def test_one_core_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    with pytest.raises(UserError, match="two cores are needed"):
        measure_processes("m", 1, lambda *_: None)


@needs_affinity
def test_a_command_is_bound_to_its_cores_and_this_process_is_not() -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    run_on({core}, [sys.executable, "-c", f"import os; assert os.sched_getaffinity(0) == {{{core}}}"])
    assert os.sched_getaffinity(0) == before


@needs_affinity
def test_a_command_that_fails_says_why() -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('the cat is on the keyboard')"]
    with pytest.raises(UserError, match=r"ended with 1: the cat is on the keyboard"):
        run_on(os.sched_getaffinity(0), failing)
