"""Several processes that fill one artifact and hold nothing."""

from pathlib import Path
from typing import Any

import pytest
from filled_artifacts import INPUTS, shared, whole, write, written

from ccps.core.artifacts import Artifact


def write_into(folder: Path) -> None:
    (folder / "number").write_text("1")


def test_several_fill_one_artifact_at_once_with_the_bytes_of_one(artifact: Artifact, tmp_path: Path) -> None:
    alone = written(Artifact.at(tmp_path / "alone", "extract", INPUTS), shards=4)
    one, other = shared(artifact, "one", "other")
    with one.writing(), other.writing():
        for index in range(0, 4, 2):
            write(one, index)
            write(other, index + 1)
        one.check_shards(4)
        one.finish(4, {"rows": 12, "rejected": {"too long": 1}})
        other.finish(4, {"rows": 12, "rejected": {"too long": 1}})  # it saw all shards too
    assert whole(artifact) == whole(alone)
    assert not (artifact.folder / ".lock").exists()
    assert list(artifact.folder.glob(".*.partial")) == []


def test_of_a_shard_that_two_have_made_the_first_stays_and_costs_once(artifact: Artifact) -> None:
    one, other = shared(artifact, "one", "other")
    with one.writing(), other.writing(), one.shard(0) as half:
        (half / "sum").write_text("0.1")
        one.add_cost(0, seconds=1.0)
        with other.shard(0) as faster:
            (faster / "sum").write_text("0.10000001")  # of a machine that rounds otherwise
            other.add_cost(0, seconds=2.0)
    assert not half.exists()
    with one.writing():
        one.check_shards(1)
        one.finish(1, {})
    assert artifact.path("sum").read_text() == "0.10000001"
    assert len(artifact.costs()) == 1


def test_who_holds_an_artifact_leaves_the_half_shards_of_others_until_it_is_complete(artifact: Artifact) -> None:
    (other,) = shared(artifact, "other")
    with other.writing(), other.shard(1) as half:
        with artifact.writing():
            assert half.is_dir()
            write(artifact, 0)
            write(artifact, 1)
            artifact.finish(2, {})
        assert not half.exists()
        write_into(half)  # which is gone, and of no use any more
    assert artifact.rows(1).num_rows == 3


def test_what_checks_a_shard_is_there_whole_or_not_at_all(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = shared(artifact, "one", "other")
    write_text, seen = Path.write_text, list[str]()

    def slow(path: Path, text: str, **arguments: Any) -> int:
        written = write_text(path, text[: len(text) // 2], **arguments)
        if ".00000." in path.name and artifact.has_shard(0):
            other.check_shards(1)
            seen.append(path.name)
        return written + write_text(path, text, **arguments)

    with one.writing(), other.writing():
        write(one, 0)
        monkeypatch.setattr(Path, "write_text", slow)
        with other.shard(0) as folder:
            write_into(folder)
    assert seen


@pytest.mark.parametrize("name", ["costs.0", "manifest"])
def test_of_several_who_complete_an_artifact_at_once_none_fails(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One takes away what another has just written and is about to put in its place."""
    one, other = shared(artifact, "one", "other")
    rename, hurried = Path.rename, list[Path]()

    def late(path: Path, target: Path) -> Path:
        if path.name.startswith(f".{name}.") and one.own in path.name and not hurried:
            hurried.append(path)
            other.finish(1, {"rows": 3})
            assert not path.exists()
        return rename(path, target)

    with one.writing(), other.writing():
        write(one, 0)
        monkeypatch.setattr(Path, "rename", late)
        one.finish(1, {"rows": 3})
    assert hurried
    assert artifact.summary == {"rows": 3}
    assert list(artifact.folder.glob(".*.partial")) == []
