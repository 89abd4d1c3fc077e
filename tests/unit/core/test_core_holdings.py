"""What is used, what an unfinished run needs, and what nothing refers to."""

import json
import os
from pathlib import Path

import pytest
from stored_runs import StoredRun, made

from ccps.core.errors import UserError
from ccps.core.holdings import Store
from ccps.core.run_record import run_records


def states(folder: Path) -> dict[str, str]:
    return {one.name: one.state for one in Store(folder / "artifacts", folder / "outputs").holdings}


name = StoredRun.name


def test_what_a_report_was_made_of_is_used_with_all_behind_it(tmp_path: Path) -> None:
    run = StoredRun(tmp_path, "first")
    stray = made(tmp_path / "artifacts", "answer", {"of": "nobody"}, {"rows.txt": "x"})
    assert states(tmp_path) == {
        name(run.answers): "used",
        name(run.features): "used",
        name(run.report): "used",
        name(stray): "stale",
    }


def test_what_is_of_a_deleted_output_is_stale_unless_another_shares_it(tmp_path: Path) -> None:
    run, other = StoredRun(tmp_path, "first"), StoredRun(tmp_path, "second")
    run.record(ended=True)
    shared = made(tmp_path / "artifacts", "extract", {"answers": run.answers, "more": 1}, {"rows.txt": "s"})
    (other.output / "run.json").write_text(json.dumps({"artifacts": [shared.key]}))
    (run.output / "run.json").unlink()
    found = states(tmp_path)
    assert found[name(run.answers)] == found[name(shared)] == "used"
    assert found[name(run.features)] == found[name(run.report)] == "stale"
    # The page of the other is not what its report wrote any more, and its features are no longer named.
    assert found[name(other.features)] == "stale"


def test_a_run_that_was_killed_between_stages_keeps_what_it_needs(tmp_path: Path) -> None:
    run = StoredRun(tmp_path, "first")
    (run.output / "run.json").unlink()
    run.record(ended=False)
    assert set(states(tmp_path).values()) == {"unfinished"}
    (stored,) = Store(tmp_path / "artifacts", tmp_path / "outputs").runs
    assert (stored.name, stored.has_report, stored.finished) == ("first", False, False)


def test_what_is_not_complete_is_kept_without_any_record(tmp_path: Path) -> None:
    run = StoredRun(tmp_path, "first", finished=False)
    assert states(tmp_path) == {name(run.answers): "unfinished", name(run.features): "unfinished"}


def test_sizes_times_and_experiments_are_told(tmp_path: Path) -> None:
    run = StoredRun(tmp_path, "first/radius=5")
    folder = run.answers.folder
    for path in folder.rglob("*"):
        os.utime(path, (1000, 1000))
    os.utime(folder / "manifest.json", (2000, 2000))
    (folder / ".00007.partial").mkdir()
    (folder / ".00007.partial" / "rows.txt").write_text("half")
    (held,) = [
        one for one in Store(tmp_path / "artifacts", tmp_path / "outputs").holdings if one.artifact.stage == "answer"
    ]
    assert held.experiments == ("first/radius=5",)
    assert held.changed == 2000
    parts = [
        path for path in folder.rglob("*") if path.is_file() and path.name != ".lock" and "partial" not in str(path)
    ]
    assert held.n_bytes == sum(path.stat().st_size for path in parts)
    assert held.n_bytes > len("first/radius=5" * 100)


def test_what_is_no_artifact_is_listed_beside(tmp_path: Path) -> None:
    run = StoredRun(tmp_path, "first")
    run.record(ended=True)
    (run.root / "judgements").mkdir()
    (run.root / "judgements" / "replies.jsonl").write_text("12345")
    assert Store(run.root, tmp_path / "outputs").others() == {"judgements": 5}


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    store = Store(tmp_path / "artifacts", tmp_path / "outputs")
    assert (store.holdings, store.runs, store.others()) == ([], [], {})
    with pytest.raises(UserError, match="Expected the run to be one that is stored, but got `smoke`"):
        store.run("smoke")


def test_a_run_is_found_by_name_and_by_path_and_the_nearest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = StoredRun(tmp_path, "smoke")
    monkeypatch.chdir(tmp_path)
    store = Store(Path("artifacts"), Path("outputs"))
    assert store.run("smoke").folder == store.run("outputs/smoke").folder == run.output
    with pytest.raises(UserError, match="but got `smok`; did you mean `smoke`"):
        store.run("smok")


def test_records_are_read_back_and_a_later_run_takes_the_place(tmp_path: Path) -> None:
    run = StoredRun(tmp_path, "first")
    run.record(ended=False)
    later = run.record(ended=True, settings={"method": {"second": 1, "first": 2}})
    (read,) = run_records(run.root)
    assert read == later
    assert list(read.settings["method"]) == ["second", "first"]  # the order decides which grader counts
    later.path(run.root).write_text("{")
    with pytest.raises(UserError, match="the record of a run"):
        list(run_records(run.root))
