import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import UserError
from ccps.pipeline import stage as stage_module
from ccps.pipeline.progress import StageProgress
from ccps.pipeline.stage import Run, Stage, Work, in_shards, run_stage, total_cost


class Squares(Stage):
    """Squares of the numbers below `n`, three to a shard and one or two to a step."""

    name = "squares"
    unit = "numbers"

    def __init__(self, n: int = 8, fails_at: int | None = None, error: type[BaseException] = RuntimeError) -> None:
        super().__init__()
        self.n = n
        self.fails_at = fails_at
        self.error = error
        self.prepared = 0
        self.steps: list[list[int]] = []

    @property
    def title(self) -> str:
        return f"below {self.n} [bold]"

    def inputs(self) -> Mapping[str, Any]:
        return {"n": self.n}

    def prepare(self, device: torch.device) -> None:
        self.prepared += 1

    def plan(self) -> Sequence[Sequence[Work]]:
        shards = [list(range(start, min(start + 3, self.n))) for start in range(0, self.n, 3)]
        return [[Work(part, len(part)) for part in (shard[:2], shard[2:]) if part] for shard in shards]

    def step(self, content: list[int]) -> list[int]:
        if self.fails_at in content:
            raise self.error("no square for this one")
        self.steps.append(content)
        return [number**2 for number in content]

    def save_shard(self, outputs: list[list[int]], folder: Path) -> Mapping[str, float]:
        numbers = [number for output in outputs for number in output]
        (folder / "squares.json").write_text(json.dumps(numbers))
        return {"n": len(numbers)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        return {"squares": self.n, "mean": 1 / 3, "by_kind": {"not": "shown"}, "why": "because"}


class Renewed(Squares):
    version = 2


class Rows(Squares):
    """The same as rows; their columns have names that the code chooses."""

    name = "rows"
    columns: ClassVar[tuple[str, ...]] = ("number", "square")

    def save_shard(self, outputs: list[list[int]], folder: Path) -> Mapping[str, float]:
        numbers = [number for output in outputs for number in output]
        pq.write_table(pa.table(dict.fromkeys(self.columns, numbers)), folder / ROWS)
        return {"n": len(numbers)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        return {"last": artifact.written_rows()[self.columns[-1]][-1].as_py()}


class OtherRows(Rows):
    columns = ("number", "root")


class Unread(OtherRows):
    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        return {"last": artifact.written_rows()["no such column"][-1].as_py()}


def run(folder: Path) -> Run:
    return Run(folder, "cpu")


def content(artifact: Artifact) -> dict[str, bytes]:
    """Every file but what a run cost."""
    return {
        str(path.relative_to(artifact.folder)): path.read_bytes()
        for path in sorted(artifact.folder.rglob("*"))
        if path.is_file() and path.name not in ("costs.0.jsonl", ".lock")
    }


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


def test_other_inputs_and_other_code_get_another_key(tmp_path: Path) -> None:
    keys = {stage.artifact(run(tmp_path)).key for stage in (Squares(8), Squares(9), Renewed(8))}
    assert len(keys) == 3
    assert Squares(8).artifact(run(tmp_path)).key == Squares(8).artifact(run(tmp_path / "elsewhere")).key


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


def test_progress_counts_what_earlier_runs_have_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError):
        run_stage(Squares(fails_at=5), run(tmp_path))
    bars = []

    class Watched(StageProgress):
        def __init__(self, *arguments: str) -> None:
            super().__init__(*arguments)
            self.counts: list[int] = []
            bars.append(self)

        def on_predict_start(self, *arguments: Any) -> None:
            super().on_predict_start(*arguments)
            self.counts.append(self.done)

        def on_predict_batch_end(self, *arguments: Any, **named: Any) -> None:
            super().on_predict_batch_end(*arguments, **named)
            self.counts.append(self.done)

    monkeypatch.setattr(stage_module, "StageProgress", Watched)
    run_stage(Squares(), run(tmp_path))
    assert bars[0].total == 8
    assert bars[0].counts == [3, 5, 6, 8]
    assert bars[0].unit == "numbers"


def test_a_long_stage_says_how_far_it_is_in_a_log_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ccps.pipeline.progress._SECONDS_BETWEEN_LINES", 0)
    run_stage(Squares(), run(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("squares   below 8 [bold] · 2/8 numbers, ")
    assert lines[0].endswith(" left")
    assert [line.split(" · ")[1].split(" ")[0] for line in lines[:-1]] == ["2/8", "3/8", "5/8", "6/8"]


def test_costs_are_noted_for_each_shard(tmp_path: Path) -> None:
    costs = run_stage(Squares(), run(tmp_path)).costs()
    assert [cost["shard"] for cost in costs] == [0, 1, 2]
    assert [cost["n"] for cost in costs] == [3, 3, 2]
    assert all(cost["seconds"] >= 0 and cost["peak_memory"] > 2**20 for cost in costs)


def test_an_accelerator_that_is_not_there_is_the_users_to_mend(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match=r"`trainer.accelerator` to be one that this machine has, but got 'gpu'"):
        run_stage(Squares(), Run(tmp_path, "gpu"))


def test_batches_are_gathered_into_shards_of_at_least_so_many_questions() -> None:
    batches = [[0, 1], [2], [3, 4, 5], [6], [7]]
    shards = in_shards(batches, 3)
    assert [[work.content for work in shard] for shard in shards] == [[[0, 1], [2]], [[3, 4, 5]], [[6], [7]]]
    assert all(work.size == len(work.content) for shard in shards for work in shard)
    assert len(in_shards(batches, 1)) == len(batches)
