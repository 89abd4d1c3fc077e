import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filled_artifacts import INPUTS, fail_halfway, write, written

from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.core.errors import UserError


def visible(artifact: Any) -> Any:
    return sorted(path.name for path in artifact.folder.iterdir() if not path.name.startswith("."))


def test_same_content_gives_the_same_manifest(tmp_path: Path) -> None:
    first, again = (written(Artifact.at(tmp_path / name, "extract", INPUTS)) for name in "ab")
    assert (first.folder / "manifest.json").read_bytes() == (again.folder / "manifest.json").read_bytes()


def test_shard_appears_only_when_its_block_has_ended(artifact: Any) -> None:
    with artifact.writing(), artifact.shard(0) as folder:
        (folder / "half").write_text("half")
        assert not artifact.has_shard(0)
        assert "00000" not in visible(artifact)
    assert artifact.has_shard(0)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failing_block_leaves_nothing_and_can_be_tried_again(artifact: Any, error: Any) -> None:
    with artifact.writing():
        write(artifact, 0)
        with pytest.raises(error):
            fail_halfway(artifact, 1, error)
        assert artifact.has_shard(0)
        assert not artifact.has_shard(1)
        assert list(artifact.folder.glob(".*.partial")) == []
        write(artifact, 1)
        assert artifact.has_shard(1)


def test_manifest_comes_last(artifact: Any) -> None:
    with artifact.writing():
        write(artifact, 0)
        assert not artifact.complete
        artifact.finish(1, {})
        assert artifact.complete


def test_all_that_the_manifest_vouches_for_is_on_the_disk_before_it(
    artifact: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    written(artifact, shards=1)
    shard = artifact.folder / "00000"
    needed = [shard, shard / ROWS, shard / TENSORS, artifact.folder, artifact.folder / "manifest.json"]
    assert {path.stat().st_ino for path in needed} == set(synced)
    assert synced[-2:] == [(artifact.folder / "manifest.json").stat().st_ino, artifact.folder.stat().st_ino]


def test_artifact_with_a_gap_cannot_be_finished(artifact: Any) -> None:
    with artifact.writing():
        write(artifact, 0)
        write(artifact, 2)
        with pytest.raises(UserError, match="00001 is missing"):
            artifact.finish(3, {})
    assert not artifact.complete


KILLED = """
import os, sys
from pathlib import Path
from ccps.core.artifacts import Artifact
artifact = Artifact.at(Path(sys.argv[1]), "extract", {})
with artifact.writing():
    with artifact.shard(0) as folder:
        (folder / "whole").write_text("whole")
    artifact.add_cost(0, seconds=1.5)
    with artifact.shard(1) as folder:
        (folder / "half").write_text("half")
        (artifact.folder / ".manifest.partial").write_text("{")
        os._exit(9)
"""


def test_killed_run_is_taken_up_where_it_stopped(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == 9
    artifact = Artifact.at(tmp_path, "extract", {})
    left = {path.name for path in artifact.folder.iterdir()}
    assert {"00000", ".00001.partial", ".manifest.partial"} <= left
    with artifact.writing():
        assert [artifact.has_shard(index) for index in range(2)] == [True, False]
        assert list(artifact.folder.glob(".*.partial")) == []
        write(artifact, 1)
        artifact.add_cost(1, seconds=0.5)
        artifact.finish(2, {})
    assert artifact.path("whole").read_text() == "whole"
    assert [cost["seconds"] for cost in artifact.costs()] == [1.5, 0.5]


def test_shard_that_changed_before_the_manifest_is_refused(artifact: Any) -> None:
    with artifact.writing():
        write(artifact, 0)
        write(artifact, 1)
        artifact.check_shards(2)
        with pytest.raises(UserError, match=r"broken: 00002 is missing"):
            artifact.check_shards(3)
        with (artifact.folder / "00001" / ROWS).open("ab") as file:
            file.write(b"\0")
        with pytest.raises(UserError, match=r"broken: 00001 is not what was written.*rm -r"):
            artifact.check_shards(2)
