"""A job knows all its stages before one of them runs."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.pipeline.computing import run_stage
from ccps.pipeline.job import Job
from ccps.pipeline.stage import Run, Stage, Work


class Note(Stage):
    """Writes a word, after those it has read."""

    name = "first"
    ran: list[str] = []  # noqa: RUF012 (every stage of a test adds to it)
    looked = 0

    def __init__(self, word: str, *sources: Artifact, further: Sequence[Artifact] = ()) -> None:
        super().__init__()
        self.word = word
        self.sources = sources
        self.further = further

    @property
    def title(self) -> str:
        return self.word

    def inputs(self) -> Mapping[str, Any]:
        self.looked += 1
        return {"word": self.word, "sources": list(self.sources)}

    def reads(self) -> Sequence[Artifact]:
        return [*super().reads(), *self.further]

    def plan(self) -> Sequence[Sequence[Work]]:
        return [[Work(None)]]

    def step(self, content: None) -> list[str]:
        self.ran.append(self.word)
        read = (json.loads(one.path("words.json").read_text()) for one in (*self.sources, *self.further))
        return [*chain.from_iterable(read), self.word]

    def save_shard(self, outputs: list[list[str]], folder: Path) -> Mapping[str, float]:
        (folder / "words.json").write_text(json.dumps(outputs[0]))
        return {"n": 1}


class Second(Note):
    name = "second"


class Third(Note):
    name = "third"


@pytest.fixture(autouse=True)
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ran: list[str] = []
    monkeypatch.setattr(Note, "ran", ran)
    return ran


def fill(job: Job) -> list[Artifact]:
    """a → b → c, and d beside them that reads nothing."""
    first = job.add(Note("a"))
    second = job.add(Second("b", first))
    return [first, second, job.add(Third("c", second)), job.add(Third("d"))]


def test_nothing_runs_and_nothing_is_written_before_all_is_known(tmp_path: Path, ran: list[str]) -> None:
    job = Job(Run(tmp_path, "cpu"))
    artifacts = fill(job)
    assert ran == []
    assert list(tmp_path.iterdir()) == []
    job.run()
    assert ran == ["a", "b", "c", "d"]
    assert json.loads(artifacts[2].path("words.json").read_text()) == ["a", "b", "c"]


def test_a_part_computes_what_was_asked_for_and_finds_what_it_reads(
    tmp_path: Path, ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for asked, expected in ((["first"], ["a"]), (["second"], ["b"]), (["third"], ["c", "d"])):
        ran.clear()
        job = Job(Run(tmp_path, "cpu"), asked)
        fill(job)
        job.run()
        assert ran == expected
    said = [line.split(" · ")[:2] for line in capsys.readouterr().out.splitlines()[-4:]]
    assert [(title.split()[1], state.split()[0]) for title, state in said] == [
        ("a", "reused"),
        ("b", "reused"),
        ("c", "done"),
        ("d", "done"),
    ]


def test_what_is_missing_is_told_before_anything_runs(tmp_path: Path, ran: list[str]) -> None:
    job = Job(Run(tmp_path, "cpu"), ["third"])
    first = fill(job)[0]
    with pytest.raises(UserError) as caught:
        job.run()
    assert str(caught.value) == (
        f"Expected the stage `first` (a) to have been run before, but got no complete artifact at {first.folder}; nor "
        "are there 1 of `second`. Add `first` and `second` to `stages`, or leave `stages` out to run all."
    )
    assert ran == []
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_reads_need_not_be_there(tmp_path: Path, ran: list[str]) -> None:
    job = Job(Run(tmp_path, "cpu"), ["first"])
    fill(job)
    job.run()
    assert ran == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_list_of_stages_that_are_not_in_the_job_is_refused(tmp_path: Path) -> None:
    job = Job(Run(tmp_path, "cpu"), ["fourth"])
    fill(job)
    with pytest.raises(UserError, match=r"Expected `stages` to be a list with .*but got fourth.*first, second, third"):
        job.run()


def test_a_stage_that_is_named_and_not_in_the_job_is_said_once(
    tmp_path: Path, ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(Run(tmp_path, "cpu"), ["fifth", "first", "fourth", "third", "second"], later=["late"])
    fill(job)
    assert job.idle() == ["fifth", "fourth"]
    job.run()
    job.run()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "stages    fifth and fourth · nothing to do · this run has first, second, third"
    assert not [line for line in said[1:] if line.startswith("stages")]
    assert ran == ["a", "b", "c", "d"]


@pytest.mark.parametrize("asked", [None, ["first", "second", "third"]])
def test_nothing_is_said_where_all_that_is_named_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: list[str] | None
) -> None:
    job = Job(Run(tmp_path, "cpu"), asked)
    fill(job)
    assert job.idle() == []
    job.run()
    assert "stages" not in capsys.readouterr().out


def test_what_comes_after_a_run_need_not_be_named_and_is_not_missed(tmp_path: Path, ran: list[str]) -> None:
    job = Job(Run(tmp_path, "cpu"), ["first"], later=["second"])
    first = job.add(Note("a"))
    assert job.idle() == []
    job.run()
    job.add(Second("b", first))
    job.run()
    assert ran == ["a", "b"]


def test_what_a_stage_reads_beside_its_inputs_is_wanted_too(tmp_path: Path, ran: list[str]) -> None:
    run = Run(tmp_path, "cpu")
    job = Job(run, ["second"])
    first = job.add(Note("a"))
    job.add(Second("b", further=[first]))
    with pytest.raises(UserError, match="Expected the stage `first`"):
        job.run()
    run_stage(Note("a"), run)
    job.run()
    assert ran == ["a", "b"]


def test_what_is_no_stage_is_saved_at_its_turn_whatever_was_asked_for(tmp_path: Path, ran: list[str]) -> None:
    run = Run(tmp_path, "cpu")
    head = Note("head").artifact(run)
    job = Job(run, ["second"])
    job.keep(head, lambda: run_stage(Note("head"), run))
    job.add(Second("b", head))
    job.run()
    assert ran == ["head", "b"]


def test_words_between_stages_are_said_in_order_and_only_after_what_is_wanted(tmp_path: Path, ran: list[str]) -> None:
    job = Job(Run(tmp_path, "cpu"), ["first"])
    first = job.add(Note("a"))
    job.then(lambda: ran.append("after a"), after=[first])
    second = job.add(Second("b", first))
    job.then(lambda: ran.append("after b"), after=[second])
    job.then(lambda: ran.append("always"))
    job.run()
    assert ran == ["a", "after a", "always"]


def test_what_hangs_on_content_is_added_after_the_first_part_has_run(tmp_path: Path, ran: list[str]) -> None:
    job = Job(Run(tmp_path, "cpu"))
    first = job.add(Note("a"))
    job.run()
    (word,) = json.loads(first.path("words.json").read_text())
    job.add(Second(word * 2, first))
    job.run()
    assert ran == ["a", "aa"]


def test_inputs_are_looked_at_once(tmp_path: Path) -> None:
    job, stage = Job(Run(tmp_path, "cpu")), Note("a")
    job.add(stage)
    job.run()
    assert stage.looked == 1
    assert job.reused == set()
    again = Job(Run(tmp_path, "cpu"))
    assert again.reused == {again.add(Note("a")).folder}


def test_a_stage_that_reads_what_was_not_added_is_a_bug(tmp_path: Path) -> None:
    run = Run(tmp_path, "cpu")
    with pytest.raises(ValueError, match="reads what no stage before it makes"):
        Job(run).add(Second("b", Note("a").artifact(run)))


class Watched:
    """In the place of a mirror: what was asked of it, and what had run by then."""

    def __init__(self, ran: list[str]) -> None:
        self.ran, self.opened, self.titles = ran, list[list[str]](), list[str]()

    def open(self) -> None:
        self.opened.append([*self.ran])

    def add(self, title: str, artifact: Artifact) -> None:
        self.titles.append(title)


def test_the_mirror_is_opened_before_anything_is_computed_and_only_if_something_is(
    tmp_path: Path, ran: list[str]
) -> None:
    for asked, opened in ((None, True), (None, False), (["second"], False)):
        ran.clear()
        mirror: Any = Watched(ran)
        job = Job(Run(tmp_path, "cpu", mirror), asked)
        fill(job)
        job.run()
        assert bool(mirror.opened) == opened
        assert all(before == [] for before in mirror.opened[:1])
        assert mirror.titles == (["a", "b"] if asked else ["a", "b", "c", "d"])
