"""What a run is opened with, and how it is left."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ccps.core.errors import UserError
from ccps.core.objects import ObjectStore, copy_of
from ccps.pipeline.mirror import Mirror
from ccps.pipeline.run import opened_run, opened_store
from ccps.pipeline.worker import WorkerEnds
from ccps.settings.run import LoggerConfig, PathsConfig, TrainerConfig
from ccps.settings.sharing import RayConfig


def config(folder: Path, **changed: Any) -> Any:
    paths = PathsConfig(str(folder / "artifacts"), str(folder / "out"), str(folder / "wandb"))
    usual = {
        "trainer": TrainerConfig(accelerator="cpu"),
        "worker": None,
        "worker_wait": 2.0,
        "run_on": "here",
        "ray": RayConfig(),
        "logger": LoggerConfig("disabled"),
        "paths": paths,
        "experiment": "mine",
    }
    return SimpleNamespace(**{**usual, **changed})


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """As many threads afterwards as before."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_run_alone_speaks_and_knows_its_folder(tmp_path: Path) -> None:
    with opened_run(config(tmp_path), {}, "mine") as run:
        assert run.artifacts == tmp_path / "artifacts"
        assert (run.accelerator, run.worker, run.patience, run.pool, run.objects) == ("cpu", None, 120.0, None, None)
        assert run.ranks.is_first
        assert run.mirror is not None


def test_threads_are_those_of_the_settings_and_not_without_bound(tmp_path: Path) -> None:
    with opened_run(config(tmp_path, trainer=TrainerConfig(accelerator="cpu", threads=3)), {}, "mine"):
        assert torch.get_num_threads() == 3
    many = config(tmp_path, trainer=TrainerConfig(accelerator="cpu", threads=4096))
    said = r"`trainer\.threads` to be at most [0-9]+ on this machine, but got 4096"
    with pytest.raises(UserError, match=said), opened_run(many, {}, "mine"):
        raise AssertionError("it runs")


def end() -> None:
    raise WorkerEnds("its part is done")


def test_a_worker_has_no_mirror_and_its_end_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened_run(config(tmp_path, worker="2/3"), {}, "mine") as run:
        assert run.mirror is None
        assert str(run.worker) == "2/3"
        assert "2of3" in run.own
        end()
    assert capsys.readouterr().out.splitlines()[-1].endswith("2/3 · done · its part is done")


def test_what_fails_closes_the_mirror_as_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(Mirror, "close", lambda self, *, failed: closed.append(failed))
    for error in (UserError("mend it"), ZeroDivisionError("a bug")):
        with pytest.raises(type(error)), opened_run(config(tmp_path), {}, "mine"):
            raise error
    with opened_run(config(tmp_path), {}, "mine"):
        pass
    assert closed == [True, True, False]


def test_a_store_is_reached_for_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    monkeypatch.setattr(ObjectStore, "check", lambda self: checked.append(self.url))
    paths = PathsConfig("s3://bucket/ours", str(tmp_path / "out"), str(tmp_path / "w"), cache=str(tmp_path / "c"))
    assert opened_store(PathsConfig(str(tmp_path), "out")) is None
    with opened_run(config(tmp_path, paths=paths), {}, "mine") as run:
        assert run.objects is not None
        assert run.objects.url == "s3://bucket/ours"
        assert run.own != ""
        assert copy_of(run.artifacts) == "s3://bucket/ours"
    assert checked == ["s3://bucket/ours"]


def test_actors_are_let_go_and_get_an_absolute_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pool:
        closed = False

        def __init__(self, *given: Any) -> None:
            self.root = given[2]

        def close(self) -> None:
            self.closed = True

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ccps.pipeline.run.RayPool", Pool)
    paths = PathsConfig("artifacts", str(tmp_path / "out"), str(tmp_path / "w"))
    by_actors = config(tmp_path, paths=paths, run_on="ray")
    with opened_run(by_actors, {}, "x") as run:
        pool: Any = run.pool
        assert run.artifacts == pool.root == tmp_path / "artifacts"
        assert not pool.closed
    assert pool.closed
