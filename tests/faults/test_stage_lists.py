"""Lists of stages that cannot work are refused in one message before questions or models are looked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_inputs.settings import base

from ccps.core.errors import UserError
from ccps.pipeline.job import Job
from ccps.pipeline.stage import Run
from ccps.settings.experiment import STAGES
from ccps.settings.faithful.run import STAGES as FAITHFUL_STAGES
from ccps.stages.faithful.checks import to_faithful
from ccps.stages.faithful.pipeline import FaithfulPipeline
from ccps.stages.main import pipeline as main_pipeline
from ccps.stages.main.checks import to_config
from ccps.stages.sweep.checks import to_sweep

# What reads nothing that another stage makes, by its name alone.
FIRST = {"answer", "permute", "trace", "radii"}
PAIRS = [
    ["fit", "answer"],
    ["evaluate", "answer"],
    ["answer", "tune"],
    ["grade", "answer", "score"],
    ["audit", "extract", "grade", "answer"],
    ["report", "answer"],
    ["report", "report"],
    ["choose", "answer", "grade", "extract"],
]


def never(*args: object, **kwargs: object) -> Any:
    raise AssertionError("something was looked for")


def settings(entry: str, stages: list[str], folder: Path) -> dict[str, Any]:
    places = {"artifacts": str(folder / "artifacts"), "output": str(folder / "out"), "wandb": str(folder / "wandb")}
    return {**base(entry), "stages": stages, "paths": places}


def refused(run: Callable[[], object], folder: Path) -> None:
    with pytest.raises(UserError, match=r"^Expected the stage `\w+` to have been run before `\w+`, but got") as caught:
        run()
    assert "\n" not in str(caught.value)
    assert "or leave `stages` out to run all" in str(caught.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("stages", [*([stage] for stage in STAGES if stage not in FIRST), *PAIRS], ids=",".join)
def test_of_the_main_job(stages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_pipeline, "all_questions", never)
    given = settings("config", stages, tmp_path)
    config = to_config(given)
    job = Job(Run(tmp_path / "artifacts", "cpu"), config.stages)
    refused(main_pipeline.Pipeline(config, given, job, find=never).run, tmp_path)


@pytest.mark.parametrize(
    "stages",
    [*([stage] for stage in FAITHFUL_STAGES if stage not in FIRST), ["faith", "trace"], ["judge", "trace"]],
    ids=",".join,
)
def test_of_the_faithful_job(stages: list[str], tmp_path: Path) -> None:
    given = settings("faithful", stages, tmp_path)
    config = to_faithful(given)
    job = Job(Run(tmp_path / "artifacts", "cpu"), config.stages)
    refused(FaithfulPipeline(config, given, job, find=never, load=never).run, tmp_path)


@pytest.mark.parametrize("stages", [[stage] for stage in STAGES], ids=",".join)
def test_of_a_sweep(stages: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected `stages` to hold answer and grade, without which nothing is swept"):
        to_sweep(settings("sweep", stages, tmp_path))


@pytest.mark.parametrize("entry", ["config", "sweep", "faithful"])
@pytest.mark.parametrize("stages", [[], ["nothing"], ["Answer"], [""]], ids=repr)
def test_what_is_no_stage(entry: str, stages: list[str], tmp_path: Path) -> None:
    check = {"config": to_config, "sweep": to_sweep, "faithful": to_faithful}[entry]
    with pytest.raises(UserError, match=r"`stages`"):
        check(settings(entry, stages, tmp_path))
    assert list(tmp_path.iterdir()) == []
