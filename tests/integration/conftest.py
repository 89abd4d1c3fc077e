import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tiny import Tiny
    from tiny_faithful import TinyFaithful


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny import write_questions

    folder = tmp_path_factory.mktemp("questions")
    write_questions(folder / "trees.jsonl", 24, seed=1)
    write_questions(folder / "boats.jsonl", 18, seed=2)
    return folder


@pytest.fixture
def tiny(tmp_path: Path, questions: Path) -> "Tiny":
    """The tiny experiment, nothing of it computed yet."""
    from tiny import Tiny

    return Tiny(tmp_path, questions)


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Call an entry point in this process as `python -m experiments.reproduce …` would; returns the exit code."""
    from experiments import reproduce
    from experiments.launch import launch

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["reproduce", *arguments])
        try:
            launch(reproduce.main, reproduce.check)
        except SystemExit as exit:
            return int(exit.code or 0)
        return 0

    return call


@pytest.fixture
def refused(command_line: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command line that must be refused; returns the message."""

    def call(*arguments: str) -> str:
        assert command_line(*arguments) == 2
        error = capfd.readouterr().err
        assert "Traceback" not in error
        assert error.strip()
        return error

    return call


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, questions: Path) -> "Tiny":
    """The tiny experiment, run once as a user runs it, mirrored to an offline W&B run. Leave its files as they are."""
    from tiny import Tiny

    from experiments import reproduce

    experiment = Tiny(tmp_path_factory.mktemp("finished"), questions)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_API_KEY", "WANDB_MODE"):
            patch.delenv(name, raising=False)
        # Where the user's own key would lie.
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_SILENT"):
            patch.setenv(name, "true" if name == "WANDB_SILENT" else str(experiment.wandb / "wandb"))
        reproduce.main(experiment.settings("logger=wandb"))
    return experiment


@pytest.fixture(scope="session")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions to reason about."""
    from tiny_faithful import write_sums

    return write_sums(tmp_path_factory.mktemp("sums") / "sums.jsonl")


@pytest.fixture(scope="session")
def traces_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Traces with ids of the tiny model, several steps each; one of them without ids, one with ids that do not fit."""
    from tiny_faithful import write_traces

    return write_traces(tmp_path_factory.mktemp("traces") / "traces.jsonl")


@pytest.fixture
def faithful(tmp_path: Path, sums: Path) -> "TinyFaithful":
    """A tiny run of the faithful system, nothing of it computed yet."""
    from tiny_faithful import TinyFaithful

    return TinyFaithful(tmp_path, sums)


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory, sums: Path) -> "TinyFaithful":
    """A tiny run of the faithful system from start to end; not to be changed."""
    from tiny_faithful import TinyFaithful

    run = TinyFaithful(tmp_path_factory.mktemp("finished"), sums)
    run.run()
    return run


@pytest.fixture
def finished_faithful(faithful: "TinyFaithful", finished_once: "TinyFaithful") -> "TinyFaithful":
    """A tiny run of the faithful system that has been run, to go on from."""
    shutil.copytree(finished_once.folder, faithful.folder, dirs_exist_ok=True)
    return faithful
