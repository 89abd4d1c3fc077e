"""The faithful system in parts: what is found again, what is computed anew, and by how many processes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tiny_faithful import TinyFaithful

from ccps.core.errors import UserError
from ccps.pipeline.stage import Run
from ccps.stages.faithful.checks import to_faithful
from ccps.stages.faithful.pipeline import run_faithful


def test_a_second_run_computes_nothing_and_gives_the_same_bytes(
    finished_faithful: TinyFaithful, capsys: pytest.CaptureFixture[str]
) -> None:
    first = (finished_faithful.folder / "output" / "tables" / "faithful.csv").read_bytes()
    capsys.readouterr()
    assert (finished_faithful.run() / "tables" / "faithful.csv").read_bytes() == first
    said = [line for line in capsys.readouterr().out.splitlines() if " · " in line]
    assert not [line for line in said if "done" in line]


def test_a_run_that_was_broken_off_goes_on_to_the_same_rows(finished_faithful: TinyFaithful) -> None:
    [key] = finished_faithful.keys("continue")
    folder = finished_faithful.folder / "artifacts" / "continue" / key
    rows = pd.read_parquet(folder / "00000" / "rows.parquet")
    (folder / "manifest.json").unlink()
    shutil.rmtree(folder / "00000")
    (folder / ".00000.json").unlink(missing_ok=True)
    finished_faithful.run()
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "00000" / "rows.parquet"), rows)


def test_another_judge_draws_no_continuation_again(finished_faithful: TinyFaithful) -> None:
    drawn = finished_faithful.keys("continue")
    finished_faithful.run("faithful/judge=numeric")
    assert finished_faithful.keys("continue") == drawn
    assert len(finished_faithful.keys("judge")) == 2
    assert len(finished_faithful.keys("read")) == 1


def test_another_divisor_asks_the_model_nothing(finished_faithful: TinyFaithful) -> None:
    asked = ("trace", "read", "mark", "decide", "continue", "judge", "radii")
    before = {stage: finished_faithful.keys(stage) for stage in asked}
    read_off = finished_faithful.keys("confidence")
    finished_faithful.run("faithful.deepconf.scale=4")
    assert {stage: finished_faithful.keys(stage) for stage in asked} == before
    assert len(finished_faithful.keys("confidence") - read_off) == 1  # that of DeepConf


def test_another_judge_of_words_leaves_the_judgements_of_continuations(finished_faithful: TinyFaithful) -> None:
    judged = finished_faithful.keys("judge")
    finished_faithful.run("faithful.decisiveness.aggregate=min")
    assert finished_faithful.keys("judge") == judged
    assert len(finished_faithful.keys("decide")) == 2


def test_a_part_that_needs_what_is_not_there_is_refused(faithful: TinyFaithful) -> None:
    with pytest.raises(
        UserError, match=r"the stage `mark` to have .* before `confidence`.*Add `mark`, `decide` and `trace`"
    ):
        faithful.run("stages=[confidence,faith,faith_report]")


def test_a_part_that_ends_with_the_model_leaves_nothing_for_it_to_do(
    faithful: TinyFaithful, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = faithful.settings("stages=[trace,read,continue]")
    config = to_faithful(settings)
    assert run_faithful(config, settings, Run(Path(config.paths.artifacts), "cpu")) is None
    assert not (faithful.folder / "artifacts" / "head").exists()  # numbers are made while the model reads
    capsys.readouterr()
    faithful.run("stages=[mark,decide,judge,radii,confidence,faith,faith_report]")
    done = [line.split()[0] for line in capsys.readouterr().out.splitlines() if " · done in " in line]
    assert not {"trace", "read", "continue"} & set(done)


@pytest.mark.parametrize("last", ["judge", "radii"])
def test_a_stage_that_is_the_last_one_is_run(finished_faithful: TinyFaithful, last: str) -> None:
    made = finished_faithful.keys(last)
    shutil.rmtree(finished_faithful.folder / "artifacts" / last)
    settings = finished_faithful.settings(
        f"stages=[trace,read,continue,mark,decide,judge,{last}]".replace("judge,judge", "judge")
    )
    config = to_faithful(settings)
    assert run_faithful(config, settings, Run(Path(config.paths.artifacts), "cpu")) is None
    assert finished_faithful.keys(last) == made
    assert len(made) == 1


@pytest.mark.slow
def test_two_processes_write_what_one_writes(tmp_path: Path, sums: Path) -> None:
    one, two = TinyFaithful(tmp_path / "one", sums), TinyFaithful(tmp_path / "two", sums)
    few = ["faithful.traces.max_batch_tokens=1", "faithful.shard_traces=1", "trainer.threads=1"]
    one.run(*few)
    command = [sys.executable, "-m", "experiments.faithful", *two.overrides(*few, "trainer.devices=2")]
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=1200, check=False
    )
    assert ended.returncode == 0, ended.stderr
    for stage in ("trace", "read", "continue", "mark", "decide", "judge", "radii", "confidence", "faith"):
        for path in sorted((one.folder / "artifacts" / stage).rglob("*.parquet")):
            twin = two.folder / path.relative_to(one.folder)
            assert twin.read_bytes() == path.read_bytes(), path
    name = Path("output", "tables", "faithful.csv")
    assert (two.folder / name).read_bytes() == (one.folder / name).read_bytes()
