"""Workers that share a job and are killed at random moments: run again, they leave what one process leaves."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest
from killed_workers import Worker, run_until_nothing_is_left
from toy_jobs import Ended, ToyJob, Whole, contents, different, start, wait

from ccps.pipeline.worker import NOTHING_LEFT

pytestmark = [pytest.mark.forks, pytest.mark.slow]

Run = Callable[..., Ended]


def as_worker(job: Whole, number: int, of: int) -> ToyJob:
    return replace(job.job, settings={**job.job.settings, "worker": f"{number}/{of}"})


def share(job: Whole, folder: Path, of: int, dice: Random, kills: int) -> int:
    """Have workers do a job, some of which are killed; returns how many were."""
    workers = [
        Worker(partial(as_worker(job, number, of).run, folder), folder.with_name(f"log{number}"))
        for number in range(1, of + 1)
    ]
    return run_until_nothing_is_left(workers, dice, job.seconds, kills)


def noted(folder: Path) -> Counter[tuple[str, int]]:
    """How often workers have noted what a shard cost, by artifact and shard."""
    return Counter(
        (str(file.parent), json.loads(line)["shard"])
        for file in (folder / "artifacts").glob("*/*/costs.shared-*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.endswith("}")
    )


def check_shared(job: Whole, folder: Path, run: Run, dice: Random, *, of: int, kills: int) -> None:
    folder.mkdir()
    killed = share(job, folder, of, dice, kills)
    assert killed > 0 or kills == 0
    made = noted(folder)
    assert made
    # Nothing that was there was made again; a shard in hand may have been noted just before its maker died.
    assert sum(number - 1 for number in made.values()) <= killed
    assert not list((folder / "output").iterdir())  # workers write no report
    ended = run(job, folder)
    assert ended.code == 0, ended.said
    assert different(contents(folder / "output"), job.output) == []
    for manifest in (job.folder / "artifacts").glob("*/*/manifest.json"):
        if "report" not in manifest.parts[-3]:  # which counts what was found, and what was made
            twin = folder / "artifacts" / Path(*manifest.parts[-3:])
            assert twin.read_bytes() == manifest.read_bytes()
    assert not list((folder / "artifacts").glob("*/*/.*.partial"))


def test_workers_that_are_killed_are_made_up_for_by_others(job: Whole, tmp_path: Path, run: Run, dice: Random) -> None:
    check_shared(job, tmp_path / "run", run, dice, of=3, kills=3)


def test_eight_workers_leave_what_one_process_leaves(
    whole: Callable[[str], Whole], tmp_path: Path, run: Run, dice: Random
) -> None:
    check_shared(whole("main"), tmp_path / "run", run, dice, of=8, kills=12)


def test_a_run_without_workers_goes_on_from_any_state_they_leave(job: Whole, tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    ended = wait(start(lambda: as_worker(job, 2, 3).run(folder), tmp_path / "log"), tmp_path / "log")
    assert ended.code == 0, ended.said
    assert "in other hands" in ended.said
    ended = run(job, folder)
    assert ended.code == 0, ended.said
    assert different(contents(folder / "output"), job.output) == []


def test_two_of_one_number_at_once_do_no_harm(job: Whole, tmp_path: Path, run: Run) -> None:
    """As where a lost node was not lost, and its worker has been started elsewhere."""
    folder = tmp_path / "run"
    folder.mkdir()
    logs = [tmp_path / f"log{place}" for place in range(3)]
    children = [start(lambda: as_worker(job, 1, 1).run(folder), log) for log in logs]
    for child, log in zip(children, logs, strict=True):
        ended = wait(child, log)
        assert ended.code == 0, ended.said
        assert NOTHING_LEFT in ended.said
    ended = run(job, folder)
    assert ended.code == 0, ended.said
    assert different(contents(folder / "output"), job.output) == []
