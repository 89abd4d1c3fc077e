"""What lies below a folder, and what is left of it when artifacts are deleted."""

import fcntl
from pathlib import Path

import pytest
from stored_runs import StoredRun

from ccps.core.errors import UserError
from ccps.core.listing import left_overs, stored_artifacts


def test_an_artifact_is_removed_whole(tmp_path: Path) -> None:
    run = StoredRun(tmp_path, "first")
    run.answers.remove()
    assert [one.stage for one in stored_artifacts(run.root)] == ["extract", "report"]
    assert list((run.root / "answer").iterdir()) == []


def test_an_artifact_that_is_being_written_is_not_removed(tmp_path: Path) -> None:
    artifact = StoredRun(tmp_path, "first").answers
    with (artifact.folder / ".lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="Another process"):
            artifact.remove()
    assert artifact.complete


def test_a_removal_that_was_broken_off_is_found(tmp_path: Path) -> None:
    artifact = StoredRun(tmp_path, "first").answers
    gone = artifact.folder.with_name(f".{artifact.key}.removed")
    artifact.folder.rename(gone)
    assert left_overs(artifact.folder.parents[1]) == [gone]
    assert "answer" not in [one.stage for one in stored_artifacts(artifact.folder.parents[1])]
