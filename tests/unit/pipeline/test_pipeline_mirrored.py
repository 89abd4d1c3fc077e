"""A W&B run is opened where something is computed, or where no run holds yet what was found."""

from pathlib import Path
from typing import Any

import pytest

from ccps.core.artifacts import Artifact
from ccps.pipeline import mirror
from ccps.pipeline.mirror import Mirror, has_key
from ccps.pipeline.mirrored import NOTE, Place, find_mirrored, note_mirrored
from ccps.settings.run import LoggerConfig

OFFLINE, ONLINE = Place("ccps", None, False), Place("ccps", None, True)


class FakeRun:
    """What a logger has for its experiment."""

    def __init__(self, folder: Path, *, offline: bool) -> None:
        folder.mkdir(parents=True)
        self.sync_dir, self.offline, self.exits = str(folder), offline, list[int]()

    def finish(self, exit_code: int) -> None:
        self.exits.append(exit_code)


class FakeLogger:
    def __init__(self, run: FakeRun) -> None:
        self.experiment = run


class Wandb:
    """Stands for W&B: the runs that were opened, and what each was given.

    Attributes:
        runs: in their order.
        given: stage and title, by number of the run.
        refused: titles that are not taken.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.runs, self.given, self.refused = folder, list[FakeRun](), dict[int, list[str]](), set[str]()
        monkeypatch.setattr(mirror, "open_logger", self._open)
        monkeypatch.setattr(mirror, "mirror_artifact", self._mirror)
        monkeypatch.setattr(mirror, "has_key", lambda: False)

    def _open(self, config: LoggerConfig, *_: object) -> Any:
        offline, number = config.mode != "online", len(self.runs)
        self.runs.append(FakeRun(self.folder / "wandb" / f"{'offline-' * offline}run-{number}", offline=offline))
        self.given[number] = []
        return FakeLogger(self.runs[-1])

    def _mirror(self, logger: FakeLogger, title: str, artifact: Artifact) -> bool:
        self.given[self.runs.index(logger.experiment)].append(f"{artifact.stage} {title}")
        return title not in self.refused

    def run(
        self, *stages: str, mode: str = "offline", project: str = "ccps", failed: bool = False, new: int = 0
    ) -> int:
        """A run that finds or makes some artifacts, the last `new` of them new; returns how many runs W&B has then."""
        own = Mirror(LoggerConfig(mode, project), self.folder, "name", {})
        for place, stage in enumerate(stages):
            if place >= len(stages) - new:
                assert own.open() is not None
            own.add("title", Artifact.at(self.folder, stage, {}))
        own.close(failed=failed)
        return len(self.runs)


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wandb:
    return Wandb(tmp_path, monkeypatch)


def test_what_is_computed_goes_there_with_all_that_was_found_before_it(wandb: Wandb) -> None:
    assert wandb.run("a", "b", "c", new=1) == 1
    assert wandb.given == {0: ["a title", "b title", "c title"]}
    assert wandb.runs[0].exits == [0]


def test_nothing_new_opens_no_run(wandb: Wandb, capsys: pytest.CaptureFixture[str]) -> None:
    wandb.run("a", "b", new=2)
    capsys.readouterr()
    assert wandb.run("a", "b") == 1
    assert f"w&b       name · reused · nothing is new since {wandb.runs[0].sync_dir}" in capsys.readouterr().out
    assert wandb.run("b") == 1
    assert wandb.run("a", "b", mode="auto") == 1


def test_what_no_run_holds_is_mirrored_though_nothing_was_computed(wandb: Wandb) -> None:
    assert wandb.run("a", "b") == 1
    assert wandb.given == {0: ["a title", "b title"]}
    wandb.run("c", new=1)
    # Two runs hold it between them, and none the whole.
    assert wandb.run("b", "c") == 3
    assert wandb.run("b", project="other") == 4
    assert wandb.run("b", mode="online") == 5
    assert wandb.run("b", mode="online") == 5
    assert wandb.run("b", mode="auto") == 5


def test_a_key_makes_an_offline_run_count_for_nothing(wandb: Wandb, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb.run("a")
    monkeypatch.setattr(mirror, "has_key", lambda: True)
    assert wandb.run("a", mode="auto") == 2
    assert wandb.run("a", mode="offline") == 2


def test_a_run_that_failed_or_was_deleted_holds_nothing(wandb: Wandb) -> None:
    wandb.run("a", new=1, failed=True)
    assert wandb.runs[0].exits == [1]
    assert wandb.run("a") == 2
    note = Path(wandb.runs[1].sync_dir, NOTE)
    note.unlink()
    assert wandb.run("a") == 3


def test_what_was_not_taken_is_tried_again(wandb: Wandb) -> None:
    wandb.refused.add("title")
    assert wandb.run("a") == 1
    assert wandb.run("a") == 2


def test_a_run_that_ends_before_anything_is_computed_leaves_nothing(wandb: Wandb) -> None:
    assert wandb.run("a", failed=True) == 0
    assert wandb.run() == 0
    assert wandb.run("a", mode="disabled") == 0


def test_a_note_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    run = tmp_path / "offline-run-1"
    run.mkdir()
    note_mirrored(run, OFFLINE, {"a", "b"})
    assert find_mirrored(tmp_path, [ONLINE, OFFLINE], {"a"}) == run
    assert find_mirrored(tmp_path, [ONLINE], {"a"}) is None
    assert find_mirrored(tmp_path, [OFFLINE], {"a", "c"}) is None
    for content in ("", "{", "[]", '{"format_version": 2}', (run / NOTE).read_text().replace('"a"', "[")):
        (run / NOTE).write_text(content)
        assert find_mirrored(tmp_path, [OFFLINE], {"a"}) is None


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "WANDB_BASE_URL"])
def test_a_key_is_found_where_wandb_would_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_IDENTITY_TOKEN_FILE", "NETRC"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not has_key()
    (tmp_path / ".netrc").write_text("machine example.org login x password y\n")
    assert not has_key()
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password y\n")
    assert has_key()
    (tmp_path / ".netrc").unlink()
    monkeypatch.setenv(name, "something")
    assert has_key()
