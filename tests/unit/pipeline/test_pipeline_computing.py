import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from squares import OtherRows, Rows, Squares, content, run

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.pipeline.computing import run_stage
from ccps.pipeline.costs import total_cost
from ccps.pipeline.progress import StageProgress


class Unread(OtherRows):
    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        return {"last": artifact.written_rows()["no such column"][-1].as_py()}


def test_shards_hold_their_own_work_in_order(tmp_path: Path) -> None:
    artifact = run_stage(Squares(), run(tmp_path))
    assert artifact.folder.parent == tmp_path / "squares"
    numbers = [json.loads(artifact.path("squares.json", shard).read_text()) for shard in range(3)]
    assert numbers == [[0, 1, 4], [9, 16, 25], [36, 49]]
    assert artifact.manifest["shards"] == 3
    assert artifact.summary["squares"] == 8


def test_one_line_says_what_was_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_stage(Squares(), run(tmp_path))
    done = capsys.readouterr()
    assert done.err == ""
    assert done.out.startswith("squares   below 8 [bold] · done in ")
    # Numbers and words in the order of the manifest; nested values are for the manifest alone.
    assert done.out.endswith(" s · mean 0.333, squares 8, why because\n")
    assert done.out.count("\n") == 1
    run_stage(Squares(), run(tmp_path))
    assert capsys.readouterr().out == "squares   below 8 [bold] · reused · mean 0.333, squares 8, why because\n"


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    before = content(run_stage(Squares(), run(tmp_path)))
    again = Squares()
    after = content(run_stage(again, run(tmp_path)))
    assert (again.prepared, again.steps) == (0, [])
    assert after == before


def test_an_interrupted_run_goes_on_at_the_last_whole_shard_with_the_same_bytes(tmp_path: Path) -> None:
    whole = run_stage(Squares(), run(tmp_path / "whole"))
    with pytest.raises(RuntimeError, match="no square"):
        run_stage(Squares(fails_at=5), run(tmp_path / "broken"))
    artifact = Squares().artifact(run(tmp_path / "broken"))
    assert not artifact.complete
    assert [artifact.has_shard(index) for index in range(3)] == [True, False, False]

    resumed = Squares()
    artifact = run_stage(resumed, run(tmp_path / "broken"))
    assert resumed.steps == [[3, 4], [5], [6, 7]]
    assert content(artifact) == content(whole)
    assert total_cost(artifact, "n") == total_cost(whole, "n") == 8


def test_ctrl_c_comes_through_and_loses_no_whole_shard(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_stage(Squares(fails_at=7, error=KeyboardInterrupt), run(tmp_path))
    # A second Ctrl-C, while W&B closes for instance, must not fall on deaf ears.
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    artifact = Squares().artifact(run(tmp_path))
    assert [artifact.has_shard(index) for index in range(3)] == [True, True, False]


@pytest.mark.parametrize(("error", "comes"), [(KeyboardInterrupt, KeyboardInterrupt), (ValueError, OSError)])
def test_ctrl_c_wins_over_what_fails_while_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], comes: type[BaseException]
) -> None:
    def fail(*_: object) -> None:
        raise OSError("cannot even stop")

    monkeypatch.setattr(StageProgress, "on_exception", fail)
    with pytest.raises(comes):
        run_stage(Squares(fails_at=7, error=error), run(tmp_path))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_shard_killed_before_the_manifest_only_needs_the_manifest(tmp_path: Path) -> None:
    artifact = run_stage(Squares(), run(tmp_path))
    before = content(artifact)
    (artifact.folder / "manifest.json").unlink()
    again = Squares()
    assert content(run_stage(again, run(tmp_path))) == before
    assert again.steps == []


def test_shards_of_earlier_code_with_other_columns_are_made_anew_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code has changed between a kill and the run that goes on, and its version has not."""
    whole = run_stage(OtherRows(), run(tmp_path / "whole"))
    with pytest.raises(RuntimeError):
        run_stage(Rows(fails_at=7), run(tmp_path))
    capsys.readouterr()
    resumed = OtherRows()
    artifact = run_stage(resumed, run(tmp_path))
    assert resumed.steps == [[6, 7], [0, 1], [2], [3, 4], [5]]
    assert content(artifact) == content(whole)
    assert sorted(cost["shard"] for cost in artifact.costs()) == [0, 1, 2]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rows      below 8 [bold] · shards made anew · 2 of earlier code have other columns"
    assert len(lines) == 2


def test_of_shards_that_are_all_there_those_of_the_last_code_stay(tmp_path: Path) -> None:
    whole = run_stage(OtherRows(), run(tmp_path / "whole"))
    with pytest.raises(RuntimeError):
        run_stage(Rows(fails_at=3), run(tmp_path))
    artifact = OtherRows().artifact(run(tmp_path))
    for index in (1, 2):
        name = f"{index:05d}"
        shutil.copytree(whole.folder / name, artifact.folder / name)
        shutil.copy(whole.folder / f".{name}.json", artifact.folder)
        for place in (artifact.folder / name).iterdir():
            os.utime(place, ns=(time.time_ns() + 10**9,) * 2)
    resumed = OtherRows()
    assert content(run_stage(resumed, run(tmp_path))) == content(whole)
    assert resumed.steps == [[0, 1], [2]]


def test_columns_that_cannot_be_read_any_more_are_refused_with_the_way_out(tmp_path: Path) -> None:
    artifact = run_stage(Rows(), run(tmp_path))
    (artifact.folder / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"of the columns that this version .* others \(.*root.*\)\. Remove the folder"):
        run_stage(OtherRows(), run(tmp_path))
    shutil.rmtree(artifact.folder)
    with pytest.raises(KeyError):  # of what was made just now it is a fault of ours
        run_stage(Unread(), run(tmp_path))


def test_an_artifact_that_another_process_writes_is_left_to_it(tmp_path: Path) -> None:
    artifact = Squares().artifact(run(tmp_path))
    code = (
        "import sys; from pathlib import Path; from ccps.core.artifacts import Artifact\n"
        f"with Artifact(Path({str(artifact.folder)!r}), 'squares', {{}}).writing():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        stage = Squares()
        with pytest.raises(UserError, match=rf"pid {other.pid}.*is writing .*Wait until it has ended"):
            run_stage(stage, run(tmp_path))
        other.communicate("")
    assert stage.prepared == 0
    assert run_stage(stage, run(tmp_path)).complete


def test_a_run_that_waits_takes_what_another_process_has_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waits = replace(run(tmp_path), waits=True)
    artifact, stage = Squares().artifact(waits), Squares()
    with ThreadPoolExecutor(1) as other:
        with artifact.writing():  # a lock holds within one process too
            waiting = other.submit(run_stage, stage, waits)
            while "waits for another process" not in capsys.readouterr().out:
                assert not waiting.done()
                time.sleep(0.01)
            (elsewhere := tmp_path / "elsewhere").mkdir()
            made = run_stage(Squares(), run(elsewhere))
            shutil.copytree(made.folder, artifact.folder, dirs_exist_ok=True)
        assert waiting.result(60).complete
    assert stage.prepared == 0  # nothing was computed twice
    assert "reused" in capsys.readouterr().out


def test_a_run_that_waits_goes_on_from_what_another_process_has_left(tmp_path: Path) -> None:
    waits = replace(run(tmp_path), waits=True)
    with pytest.raises(RuntimeError):
        run_stage(Squares(fails_at=5), waits)
    artifact, stage = Squares().artifact(waits), Squares()
    with ThreadPoolExecutor(1) as other:
        with artifact.writing():
            waiting = other.submit(run_stage, stage, waits)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        assert waiting.result(60).complete
    assert stage.prepared == 1


def test_costs_are_noted_for_each_shard(tmp_path: Path) -> None:
    costs = run_stage(Squares(), run(tmp_path)).costs()
    assert [cost["shard"] for cost in costs] == [0, 1, 2]
    assert [cost["n"] for cost in costs] == [3, 3, 2]
    assert all(cost["seconds"] >= 0 and cost["peak_memory"] > 2**20 for cost in costs)
