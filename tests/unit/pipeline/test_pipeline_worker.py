"""Workers that share a job without talking to each other, one after the other or at once."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.core.keys import own_name
from ccps.pipeline import worker as worker_module
from ccps.pipeline.job import Job
from ccps.pipeline.stage import Run, Stage, Work
from ccps.pipeline.worker import NOTHING_LEFT, WorkerEnds
from ccps.settings.sharing import Worker

MADE: list[tuple[str, int]] = []
"""Every step that was done, by stage and shard."""


class Numbers(Stage):
    """A number to a shard."""

    name = "numbers"
    unit = "numbers"
    independent = True

    def __init__(self, n: int = 8, dies_at: int | None = None) -> None:
        super().__init__()
        self.n = n
        self.dies_at = dies_at

    @property
    def title(self) -> str:
        return f"below {self.n}"

    def inputs(self) -> Mapping[str, Any]:
        return {"n": self.n}

    def plan(self) -> Sequence[Sequence[Work]]:
        return [[Work(number)] for number in range(self.n)]

    def step(self, content: int) -> int:
        MADE.append((self.name, content))
        if content == self.dies_at:
            raise KeyboardInterrupt
        return content**2

    def save_shard(self, outputs: list[int], folder: Path) -> Mapping[str, float]:
        (folder / "number.json").write_text(json.dumps(outputs[0]))
        return {"n": 1}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        return {"sum": sum(read(artifact.shard_folder(index)) for index in range(self.n))}


class Total(Stage):
    """What several artifacts of numbers sum up to: in three steps that belong together."""

    name = "total"

    def __init__(self, *sources: Artifact) -> None:
        super().__init__()
        self.sources = sources

    @property
    def title(self) -> str:
        return "of all"

    def inputs(self) -> Mapping[str, Any]:
        return {"sources": list(self.sources)}

    def plan(self) -> Sequence[Sequence[Work]]:
        return [[Work(part)] for part in range(3)]

    def step(self, content: int) -> int:
        MADE.append((self.name, content))
        return sum(source.summary["sum"] for source in self.sources)

    def save_shard(self, outputs: list[int], folder: Path) -> Mapping[str, float]:
        (folder / "number.json").write_text(json.dumps(outputs[0]))
        return {"n": 1}


class Page(Total):
    name = "page"
    gathers = True

    def inputs(self) -> Mapping[str, Any]:
        return {"sources": list(self.sources), "page": True}

    def step(self, content: int) -> int:
        MADE.append((self.name, content))
        return sum(read(source.shard_folder(0)) for source in self.sources)


def read(folder: Path) -> int:
    return int(json.loads((folder / "number.json").read_text()))


@pytest.fixture(autouse=True)
def made() -> list[tuple[str, int]]:
    MADE.clear()
    return MADE


def as_worker(root: Path, number: int, of: int, patience: float = 0.0) -> Run:
    return Run(root, "cpu", worker=Worker(number, of), own=own_name(f"{number}of{of}"), patience=patience)


def fill(job: Job, dies_at: int | None = None) -> list[Artifact]:
    """Two artifacts of numbers, their total, and a page of that."""
    first, second = job.add(Numbers(8, dies_at)), job.add(Numbers(5))
    total = job.add(Total(first, second))
    return [first, second, total, job.add(Page(total))]


def end(run: Run, dies_at: int | None = None) -> str:
    """What a worker of the whole job says at its end."""
    job = Job(run)
    fill(job, dies_at)
    with pytest.raises(WorkerEnds) as ended:
        job.run()
    return str(ended.value)


def content(root: Path) -> dict[str, bytes]:
    """Shards and manifests."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith((".", "costs."))
    }


def test_workers_one_after_the_other_leave_what_one_process_leaves(tmp_path: Path, made: list[tuple[str, int]]) -> None:
    alone = Job(Run(tmp_path / "alone", "cpu"))
    fill(alone)
    alone.run()
    steps = sorted(made)
    made.clear()

    for number in (1, 2):
        said = end(as_worker(tmp_path / "shared", number, 3))
        assert said.endswith(" of `numbers` are in other hands: run the same command again for what is left then")
    end(as_worker(tmp_path / "shared", 3, 3))
    for number in (1, 2, 3):
        end(as_worker(tmp_path / "shared", number, 3))
    assert end(as_worker(tmp_path / "shared", 1, 3)) == NOTHING_LEFT
    assert sorted(made) == [step for step in steps if step[0] != "page"]  # each once, and no worker makes the page

    gathering = Job(Run(tmp_path / "shared", "cpu"))
    fill(gathering)
    gathering.run()
    assert sorted(made) == steps
    assert content(tmp_path / "shared") == content(tmp_path / "alone")


def test_a_worker_says_how_many_shards_of_which_stage_are_in_other_hands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = as_worker(tmp_path, 1, 4)
    first, second, *_ = fill(Job(run))
    own = [sum(Worker(1, 4).owns(one.key, shard) for shard in range(n)) for one, n in ((first, 8), (second, 5))]
    assert end(run) == (
        f"{13 - sum(own)} shards of `numbers` are in other hands: run the same command again for what is left then"
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"numbers   below 8 · in part · {own[0]} of 8 shards made here, {8 - own[0]} in other hands"
    assert len(lines) == 2


def test_a_worker_alone_does_everything_but_gather(tmp_path: Path, made: list[tuple[str, int]]) -> None:
    assert end(as_worker(tmp_path, 1, 1)) == NOTHING_LEFT
    assert len(made) == 8 + 5 + 3
    assert end(as_worker(tmp_path, 1, 1)) == NOTHING_LEFT
    assert len(made) == 8 + 5 + 3


def test_a_worker_ends_as_any_run_where_nothing_is_to_be_gathered(tmp_path: Path) -> None:
    job = Job(as_worker(tmp_path, 1, 1), ["numbers"])
    first, *_ = fill(job)
    job.run()
    assert first.summary == {"sum": 140}


def test_who_dies_is_made_up_for_by_running_it_again(tmp_path: Path, made: list[tuple[str, int]]) -> None:
    first, *_ = fill(Job(Run(tmp_path, "cpu")))
    own = [shard for shard in range(8) if Worker(1, 2).owns(first.key, shard)]
    job = Job(as_worker(tmp_path, 1, 2))
    fill(job, dies_at=own[-1])
    with pytest.raises(KeyboardInterrupt):
        job.run()
    assert made == [("numbers", shard) for shard in own]
    made.clear()
    end(as_worker(tmp_path, 1, 2))
    assert made[0] == ("numbers", own[-1])  # what it had in hand, and nothing else again
    assert not set(made[1:]) & {("numbers", shard) for shard in own if shard >= 5}


def test_whoever_is_killed_between_the_last_shard_and_the_manifest_leaves_it_to_others(tmp_path: Path) -> None:
    end(as_worker(tmp_path, 1, 1))
    first, *_ = fill(Job(Run(tmp_path, "cpu")))
    (first.folder / "manifest.json").unlink()
    end(as_worker(tmp_path, 2, 7))
    assert fill(Job(Run(tmp_path, "cpu")))[0].complete


def test_a_worker_waits_while_shards_keep_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slept: list[float] = []

    def others_work(seconds: float) -> None:
        slept.append(seconds)
        end(as_worker(tmp_path, 2, 2))

    monkeypatch.setattr(worker_module, "time", SimpleNamespace(monotonic=time.monotonic, sleep=others_work))
    assert end(as_worker(tmp_path, 1, 2, patience=60.0)) == NOTHING_LEFT
    assert len(slept) == 1
    assert " of `numbers` are in other hands" in capsys.readouterr().out.split("waits, at most 1.0 min")[1]


def test_a_worker_gives_up_when_no_shard_has_come_for_as_long_as_it_may_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 10_000, 10))
    slept: list[float] = []
    monkeypatch.setattr(worker_module, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=slept.append))
    assert "in other hands" in end(as_worker(tmp_path, 1, 2, patience=45.0))
    assert len(slept) == 4  # after 10, 20, 30 and 40 seconds
    assert capsys.readouterr().out.count("waits, at most 45.0 s") == 1


def test_what_one_worker_makes_whole_is_made_once(tmp_path: Path) -> None:
    saved: list[int] = []
    for number in (1, 2, 3):
        run = as_worker(tmp_path, number, 3)
        job = Job(run)
        head = Numbers(1).artifact(run)

        def save(number: int = number, run: Run = run) -> None:
            saved.append(number)
            alone = Job(Run(tmp_path, "cpu"))
            alone.add(Numbers(1))
            alone.run()

        job.keep(head, save)
        job.add(Total(head))
        with suppress(WorkerEnds):
            job.run()
    assert len(saved) == 1


def test_words_between_stages_wait_for_what_they_are_about(tmp_path: Path) -> None:
    said: list[str] = []
    for number in (1, 2):
        job = Job(as_worker(tmp_path, number, 2))
        first, *_ = fill(job)
        job.then(lambda: said.append("after"), after=[first])
        with pytest.raises(WorkerEnds):
            job.run()
        assert said == (["after"] if first.complete else [])
    assert said == ["after"]


def test_shards_with_other_columns_are_left_to_a_run_without_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccps.pipeline.computing.odd_shards", lambda *arguments: [1, 2])
    job = Job(as_worker(tmp_path, 1, 1))
    fill(job)
    with pytest.raises(UserError, match=r"got 2 with others\. Run the same command once without `worker`"):
        job.run()


def test_workers_at_once_make_no_shard_twice(tmp_path: Path) -> None:
    """Shards alone, without Lightning: threads that fill one artifact."""
    of, root = 4, tmp_path
    key = Numbers(40).artifact(Run(root, "cpu")).key
    written: list[int] = []

    def work(number: int) -> None:
        artifact = Numbers(40).artifact(as_worker(root, number, of))
        with artifact.writing():
            for shard in range(40):
                if Worker(number, of).owns(key, shard):
                    with artifact.shard(shard) as folder:
                        (folder / "number.json").write_text(str(shard))
                    written.append(shard)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, of + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written) == list(range(40))
