"""Artifacts in an object store, filled from folders of several machines, against what one folder would hold."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from ccps.core import remote_reading
from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.core.errors import UserError
from ccps.core.keys import own_name
from ccps.core.objects import ObjectStore
from ccps.core.remote import RemoteArtifact

INPUTS = {"model": "abc", "steps": 5}


class Place:
    """A store, and the folders of machines that share it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.store = ObjectStore(url)
        self.folder = folder

    def on(self, machine: str) -> RemoteArtifact:
        """The artifact as a fresh process of a machine sees it."""
        return RemoteArtifact.within(self.store, self.folder / machine, "extract", INPUTS, own_name(machine))

    def objects(self) -> set[str]:
        """Names of all objects of the artifact, one level deep in shards."""
        key = self.on("none").key
        names = self.store.names(f"extract/{key}")
        shards = {name: self.store.names(f"extract/{key}/{name}") for name in names if name.isdigit()}
        return (names - set(shards)) | {f"{shard}/{name}" for shard, inner in shards.items() for name in inner}

    def read(self, name: str) -> bytes:
        name = f"extract/{self.on('none').key}/{name}"
        return self.store.read([name])[name]


@pytest.fixture(params=["file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(f"{request.param}://{tmp_path}/bucket", tmp_path)


@pytest.fixture(autouse=True)
def always_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not wait until an answer is out of date."""
    monkeypatch.setattr(remote_reading, "_STALE_S", 0.0)


def write(artifact: Artifact, index: int, value: float | None = None) -> None:
    with artifact.shard(index) as folder:
        pq.write_table(pa.table({"index": [index] * 3}), folder / ROWS)
        save_file({"states": torch.full((3, 2), index if value is None else value)}, folder / TENSORS)
        artifact.add_cost(index, seconds=1.0)


def fill(artifact: Artifact, shards: int = 3) -> None:
    """Make what is missing, and complete it."""
    with artifact.writing():
        for index in artifact.missing(range(shards)):
            write(artifact, index)
        artifact.check_shards(shards)
        artifact.finish(shards, {"rows": artifact.n_written_rows()})


@pytest.fixture
def alone(tmp_path: Path) -> Artifact:
    artifact = Artifact.at(tmp_path / "alone", "extract", INPUTS)
    fill(artifact)
    return artifact


def test_the_store_holds_what_a_folder_would(place: Place, alone: Artifact) -> None:
    made = place.on("a")
    assert not place.on("a").complete
    fill(made)
    assert made.complete
    assert made.key == alone.key
    names = place.objects()
    expected = {str(path.relative_to(alone.folder)) for path in alone.folder.rglob("*") if path.is_file()}
    assert {name for name in names if not name.startswith("costs.shared-")} == expected - {".lock"}
    for name in expected - {".lock", "costs.0.jsonl"}:
        assert place.read(name) == (alone.folder / name).read_bytes(), name


def test_another_machine_reads_what_one_has_made(place: Place, alone: Artifact) -> None:
    fill(place.on("a"))
    read = place.on("b")
    assert read.complete
    assert read.summary == alone.summary
    assert read.rows().equals(alone.rows())
    assert torch.equal(read.tensors(1)["states"], alone.tensors(1)["states"])
    assert read.path(ROWS, 2).read_bytes() == alone.path(ROWS, 2).read_bytes()
    assert read.costs() == alone.costs()
    assert (read.folder / "inputs.json").read_bytes() == (alone.folder / "inputs.json").read_bytes()


def test_only_what_is_asked_for_is_fetched(place: Place) -> None:
    fill(place.on("a"))
    read = place.on("b")
    assert read.rows(1).num_rows == 3
    held = {str(path.relative_to(read.folder)) for path in read.folder.rglob("*") if path.is_file()}
    assert held == {"manifest.json", "inputs.json", "costs.0.jsonl", f"00001/{ROWS}"}
    assert {path.name for path in read.shard_folder(0).iterdir()} == {ROWS, TENSORS}


def test_machines_share_the_shards_and_any_completes(place: Place, alone: Artifact) -> None:
    first, second = place.on("a"), place.on("b")
    with first.writing(), second.writing():
        write(first, 0)
        write(second, 2)
        assert first.missing(range(3)) == [1]
        assert second.has_shard(0)
        write(first, 1)
        second.check_shards(3)
        second.finish(3, {"rows": second.n_written_rows()})
    assert place.read("manifest.json") == (alone.folder / "manifest.json").read_bytes()
    assert sorted(cost["shard"] for cost in place.on("c").costs()) == [0, 1, 2]
    assert not (second.folder / "00000" / TENSORS).exists()  # its sums came from the mark
    assert first.complete


def test_of_two_that_make_a_shard_the_first_stays(place: Place) -> None:
    first, second = place.on("a"), place.on("b")
    with first.writing(), second.writing():
        assert second.missing([0]) == [0]
        with second.shard(0) as folder:
            save_file({"states": torch.full((3, 2), 2.0)}, folder / TENSORS)
            write(first, 0, 1.0)
        assert second.has_shard(0)
        states = place.on("c")
        assert {path.name for path in second.shard_folder(0).iterdir()} == {ROWS, TENSORS}
        for one in (second, states):
            (path,) = one.written(TENSORS, [0])
            assert path.read_bytes() == (first.folder / "00000" / TENSORS).read_bytes()


def test_a_shard_without_its_mark_is_none(place: Place) -> None:
    """As a process leaves it that is killed while it puts a shard."""
    dying = place.on("a")
    with dying.writing():
        write(dying, 0)
    place.store.remove([f"extract/{dying.key}/.00000.json"])
    assert not place.on("b").has_shard(0)
    assert place.on("b").missing(range(2)) == [0, 1]


def test_what_was_made_and_not_put_is_put_by_the_next_start(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    dying = place.on("a")

    def fail(index: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RemoteArtifact, "_push", lambda self, index: fail(index))
    with pytest.raises(KeyboardInterrupt), dying.writing():
        write(dying, 0)
    monkeypatch.undo()
    assert place.on("b").missing([0]) == [0]
    again = place.on("a")
    with again.writing():
        assert again.missing(range(2)) == [1]
    assert place.on("b").missing([0]) == []


def test_a_folder_that_is_emptied_is_filled_again(place: Place, alone: Artifact) -> None:
    fill(place.on("a"))
    shutil.rmtree(place.folder / "a")
    assert place.on("a").rows().equals(alone.rows())


def test_a_store_that_is_emptied_is_what_is_true(place: Place) -> None:
    fill(place.on("a"))
    key = place.on("a").key
    place.store.remove([f"extract/{key}/{name}" for name in place.objects()])
    again = place.on("a")
    assert not again.complete
    fill(again)  # from what the machine still holds
    assert place.on("b").rows().num_rows == 9


def test_another_making_replaces_what_a_machine_holds(place: Place) -> None:
    fill(place.on("a"))
    assert place.on("b").tensors(0)["states"][0, 0] == 0.0
    key = place.on("a").key
    place.store.remove([f"extract/{key}/{name}" for name in place.objects()])
    shutil.rmtree(place.folder / "a")
    other = place.on("a")
    with other.writing():
        for index in range(3):
            write(other, index, 7.0)
        other.finish(3, {"rows": 9})
    assert place.on("b").tensors(0)["states"][0, 0] == 7.0


def test_shards_of_earlier_code_are_taken_away(place: Place) -> None:
    made = place.on("a")
    with made.writing():
        write(made, 0)
        write(made, 1)
        made.discard([1])
        assert made.missing(range(2)) == [1]
    assert place.objects() & {".00001.json", f"00001/{ROWS}"} == set()
    assert place.on("b").missing(range(2)) == [1]


@pytest.mark.parametrize("what", ["00001/rows.parquet", "manifest.json"])
def test_damage_in_the_store_is_found(place: Place, what: str) -> None:
    made = place.on("a")
    fill(made)
    place.store.write(f"extract/{made.key}/{what}", b"\xff" + place.read(what)[1:])
    with pytest.raises(UserError, match=r"The artifact (file|memory)://.*/extract/[0-9a-f]{16} is broken"):
        place.on("b").rows()


def test_an_object_that_is_gone_is_found(place: Place) -> None:
    made = place.on("a")
    fill(made)
    place.store.remove([f"extract/{made.key}/00002/{ROWS}"])
    with pytest.raises(UserError, match=rf"00002/{ROWS} is missing"):
        place.on("b").rows()


def test_damage_in_the_folder_is_mended_before_it_is_used(place: Place, alone: Artifact) -> None:
    made = place.on("a")
    with made.writing():
        for index in range(3):
            write(made, index)
    path = made.folder / "00001" / ROWS
    path.write_bytes(path.read_bytes()[:-1])
    fill(place.on("a"))
    assert place.on("a").rows().equals(alone.rows())


def test_a_shard_that_is_missing_is_not_completed(place: Place) -> None:
    made = place.on("a")
    with made.writing():
        write(made, 0)
        with pytest.raises(UserError, match="00001 is missing"):
            made.check_shards(2)
        with pytest.raises(UserError, match="00001 is missing"):
            made.finish(2, {})
    assert not place.on("b").complete


def test_it_goes_to_other_processes(place: Place) -> None:
    fill(place.on("a"))
    sent: RemoteArtifact = pickle.loads(pickle.dumps(place.on("b")))
    assert sent.complete
    assert sent.rows().num_rows == 9


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the store: the method and the name of each call, a call of several objects once for each."""
    asked: list[str] = []

    def counted(method: str, names: Any) -> None:
        def call(self: ObjectStore, first: Any, *rest: Any) -> Any:
            first = list(first) if method == "get" else first
            asked.extend(f"{method} {name}" for name in names(first, *rest))
            return original(self, first, *rest)

        original = getattr(ObjectStore, method)
        monkeypatch.setattr(ObjectStore, method, call)

    counted("get", lambda wanted: [name for name, _ in wanted])
    counted("put", lambda _, name: [name])
    counted("write", lambda name, _: [name])
    counted("names", lambda folder: [folder])
    return asked


def test_a_shard_takes_five_requests(place: Place, requests: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_reading, "_STALE_S", 60.0)
    made = place.on("a")
    with made.writing():
        assert made.missing(range(3)) == [0, 1, 2]
        begun = len(requests)
        write(made, 0)
        own = f"costs.{made.own}.jsonl"
        wanted = [
            "get .00000.json",
            f"put 00000/{ROWS}",
            f"put 00000/{TENSORS}",
            f"put {own}",
            "write .00000.json",
        ]
        assert [one.replace(f"extract/{made.key}/", "") for one in requests[begun:]] == wanted
    assert [one.split("/")[-1] for one in requests[:begun]] == ["inputs.json", made.key]  # one listing


def test_who_waits_asks_now_and_then(place: Place, requests: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_reading, "_STALE_S", 60.0)
    waiting = place.on("a")
    for _ in range(50):
        assert not waiting.complete
        assert waiting.missing(range(4)) == [0, 1, 2, 3]
    assert len(requests) == 2
    fill(place.on("b"))
    assert waiting.manifest["shards"] == 3  # who needs it looks at once
    assert json.loads(place.read("manifest.json"))["key"] == waiting.key
