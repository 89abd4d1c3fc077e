import errno
import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import save_file

from ccps.core import artifacts
from ccps.core.artifacts import ROWS, TENSORS, Artifact, artifacts_in, digest, own_name, with_reasons
from ccps.core.errors import UserError

INPUTS = {"model": "abc", "radius": 20.0, "steps": 5, "nested": {"seeds": [1, 2]}}


@pytest.fixture
def artifact(tmp_path: Path) -> Any:
    return Artifact.at(tmp_path, "extract", INPUTS)


def write(artifact: Any, index: Any, rows: int = 3) -> None:
    with artifact.shard(index) as folder:
        pq.write_table(pa.table({"index": [index] * rows}), folder / ROWS)
        save_file({"states": torch.full((rows, 2), float(index))}, folder / TENSORS)


def written(artifact: Any, shards: int = 2) -> Any:
    """A whole artifact, as a fresh process would find it."""
    with artifact.writing():
        for index in range(shards):
            write(artifact, index)
        artifact.finish(shards, {"rows": 3 * shards, "rejected": {"too long": 1}})
    return Artifact.at(artifact.folder.parents[1], artifact.stage, artifact.inputs)


def visible(artifact: Any) -> Any:
    return sorted(path.name for path in artifact.folder.iterdir() if not path.name.startswith("."))


# --- keys ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_digest_has_no_regard_for_the_order_of_keys(value: Any) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)
    assert len(digest(value)) == 16


@pytest.mark.parametrize(
    "other",
    [
        {**INPUTS, "model": "abd"},
        {**INPUTS, "radius": 20.000000000000004},
        {**INPUTS, "steps": None},
        {**INPUTS, "nested": {"seeds": [2, 1]}},
        {**INPUTS, "more": None},
        {key: value for key, value in INPUTS.items() if key != "steps"},
    ],
)
def test_each_input_makes_another_key(tmp_path: Path, artifact: Any, other: dict[Any, Any]) -> None:
    assert Artifact.at(tmp_path, "extract", other).key != artifact.key


def test_stage_makes_another_key_too(tmp_path: Path, artifact: Any) -> None:
    other = Artifact.at(tmp_path, "fit", INPUTS)
    assert other.key != artifact.key
    assert other.folder.parent != artifact.folder.parent


def test_what_has_no_exact_form_is_not_hashed() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        digest({"radius": float("nan")})
    with pytest.raises(TypeError):
        digest({"path": Path("x")})


def test_naming_an_artifact_touches_nothing(tmp_path: Path, artifact: Any) -> None:
    assert not artifact.complete
    assert list(tmp_path.iterdir()) == []


# --- writing ---


def test_what_was_written_is_read(artifact: Any) -> None:
    found = written(artifact)
    assert found.complete
    assert found.rows()["index"].to_pylist() == [0, 0, 0, 1, 1, 1]
    assert found.rows(1)["index"].to_pylist() == [1, 1, 1]
    assert torch.equal(found.tensors(1)["states"], torch.ones(3, 2))
    assert found.summary == {"rows": 6, "rejected": {"too long": 1}}
    assert found.manifest["stage"] == "extract"
    assert found.manifest["key"] == found.key
    assert found.manifest["shards"] == 2
    assert found.n_bytes == sum(path.stat().st_size for path in found.folder.glob("0*/*"))
    assert json.loads((found.folder / "inputs.json").read_text()) == INPUTS


def test_same_content_gives_the_same_manifest(tmp_path: Path) -> None:
    first, again = (written(Artifact.at(tmp_path / name, "extract", INPUTS)) for name in "ab")
    assert (first.folder / "manifest.json").read_bytes() == (again.folder / "manifest.json").read_bytes()


def test_shard_appears_only_when_its_block_has_ended(artifact: Any) -> None:
    with artifact.writing(), artifact.shard(0) as folder:
        (folder / "half").write_text("half")
        assert not artifact.has_shard(0)
        assert "00000" not in visible(artifact)
    assert artifact.has_shard(0)


def fail_halfway(artifact: Any, index: Any, error: Any) -> None:
    with artifact.shard(index) as folder:
        (folder / "half").write_text("half")
        raise error


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


def test_nested_folders_are_part_of_a_shard(artifact: Any) -> None:
    with artifact.writing():
        with artifact.shard(0) as folder:
            (folder / "probe" / "deep").mkdir(parents=True)
            (folder / "probe" / "deep" / "weights").write_bytes(b"123")
        artifact.finish(1, {})
    assert list(artifact.manifest["files"]) == ["00000/probe/deep/weights"]
    assert artifact.path("probe/deep/weights").read_bytes() == b"123"


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


# --- shards before and after the manifest ---


def test_rows_can_be_summed_up_before_there_is_a_manifest(artifact: Any) -> None:
    with artifact.writing():
        for index, rows in enumerate((3, 1, 2)):
            write(artifact, index, rows)
        assert artifact.written_rows()["index"].to_pylist() == [0, 0, 0, 1, 2, 2]
        assert artifact.written_rows(["index"]).column_names == ["index"]
        assert artifact.n_written_rows() == 6
        assert not artifact.complete


def test_rows_after_a_gap_are_not_read(artifact: Any) -> None:
    with artifact.writing():
        write(artifact, 0, 2)
        write(artifact, 2)
        assert artifact.n_written_rows() == 2
        assert artifact.written_rows()["index"].to_pylist() == [0, 0]


def test_only_the_columns_asked_for_are_read(artifact: Any) -> None:
    with artifact.writing(), artifact.shard(0) as folder:
        pq.write_table(pa.table({"name": ["a"], "long": ["b" * 100], "number": [1]}), folder / ROWS)
    assert artifact.written_rows(["number", "name"]).to_pylist() == [{"number": 1, "name": "a"}]


def test_shard_folder_is_where_its_files_lie(artifact: Any) -> None:
    found = written(artifact)
    assert all(found.path(name, 1) == found.shard_folder(1) / name for name in (ROWS, TENSORS))
    assert found.n_shards == 2


def test_files_of_a_shard_are_named_without_it(artifact: Any) -> None:
    with artifact.writing():
        write(artifact, 0)
        with artifact.shard(1) as folder:
            (folder / "seed1").mkdir()
            (folder / "seed1" / "weights").write_bytes(b"1")
        artifact.finish(2, {})
    assert artifact.files() == [ROWS, TENSORS]
    assert artifact.files(1) == ["seed1/weights"]
    assert artifact.files(2) == []


def sources(*rooms: str) -> list[Path]:
    root = Path(artifacts.__file__).parents[2]
    return [path for room in rooms for path in (root / room).rglob("*.py")]


def test_nothing_outside_the_store_builds_the_name_of_a_shard() -> None:
    store, others = Path(artifacts.__file__), sources("ccps", "experiments")
    others.remove(store)
    assert [path for path in others if re.search(r"05d|0{5}|zfill", path.read_text())] == []


# --- what is counted by reason ---


def summed_up(artifact: Artifact, summary: Mapping[str, Any]) -> Artifact:
    with artifact.writing():
        write(artifact, 0)
        artifact.finish(1, summary)
    return Artifact.at(artifact.folder.parents[1], artifact.stage, artifact.inputs)


def test_reasons_are_a_mapping_in_the_manifest_and_names_for_readers(artifact: Artifact) -> None:
    counts = {"graded": 9, "unknown": {"no key": 2, "(odd) one": 1}, "cut": {}, "why": "because"}
    found = summed_up(artifact, with_reasons(counts))
    assert found.summary == {"graded": 9, "why": "because", "by_reason": {"unknown": {"no key": 2, "(odd) one": 1}}}
    assert found.reasons("unknown") == {"no key": 2, "(odd) one": 1}
    assert found.reasons("cut") == {}
    assert found.figures == {"graded": 9, "unknown ((odd) one)": 1, "unknown (no key)": 2, "why": "because"}
    assert list(found.figures) == sorted(found.figures)


def test_a_summary_without_reasons_says_nothing_of_them(artifact: Artifact) -> None:
    found = summed_up(artifact, with_reasons({"graded": 9, "unknown": {}}))
    assert found.summary == found.figures == {"graded": 9}


def test_reasons_of_artifacts_made_when_they_stood_in_names_are_read(artifact: Artifact) -> None:
    found = summed_up(artifact, {"graded": 9, "unknown (no accepted answer)": 2, "not scored (empty (at all))": 1})
    assert found.summary["graded"] == 9
    assert found.reasons("unknown") == {"no accepted answer": 2}
    assert found.reasons("not scored") == {"empty (at all)": 1}


def test_nobody_reads_a_reason_out_of_a_name() -> None:
    parsed = 'startswith("' + "unknown"
    assert [path for path in sources("ccps", "experiments", "tests") if parsed in path.read_text()] == []


# --- artifacts among inputs ---


def test_an_artifact_among_inputs_stands_for_its_key(tmp_path: Path, artifact: Artifact) -> None:
    other = Artifact.at(tmp_path, "answer", {})
    inputs = {"answers": artifact, "more": [1, {"deep": (other, "x")}], "none": None}
    found = Artifact.at(tmp_path, "fit", inputs)
    plain = {"answers": artifact.key, "more": [1, {"deep": [other.key, "x"]}], "none": None}
    assert found == Artifact.at(tmp_path, "fit", plain)
    assert found.inputs == plain
    assert list(artifacts_in(inputs)) == [artifact, other]


# --- costs ---


def test_costs_are_kept_in_order_and_are_not_content(tmp_path: Path, artifact: Any) -> None:
    assert artifact.costs() == []
    with artifact.writing():
        write(artifact, 0)
        artifact.add_cost(0, seconds=1.25, tokens=7)
        artifact.add_cost(1, seconds=2.5)
        artifact.finish(1, {})
    assert artifact.costs() == [{"shard": 0, "seconds": 1.25, "tokens": 7}, {"shard": 1, "seconds": 2.5}]
    assert all("costs" not in name for name in artifact.manifest["files"])


def test_torn_cost_is_unknown_and_spoils_no_other(artifact: Any) -> None:
    with artifact.writing():
        artifact.add_cost(0, seconds=1.0)
        with (artifact.folder / "costs.0.jsonl").open("a") as file:
            file.write('\n{"shard": 1, "seco')
        artifact.add_cost(2, seconds=3.0)
    assert [cost["shard"] for cost in artifact.costs()] == [0, 2]


def test_cost_of_a_shard_that_was_not_finished_is_forgotten(artifact: Any) -> None:
    with artifact.writing():
        write(artifact, 0)
        artifact.add_cost(0, seconds=1.0)
        artifact.add_cost(1, seconds=2.0)  # killed before its shard took its place
        with (artifact.folder / "costs.1.jsonl").open("a") as file:
            file.write('\n{"shard": 2, "seco')
    with artifact.writing():
        write(artifact, 1)
        artifact.add_cost(1, seconds=3.0)
    assert artifact.costs() == [{"shard": 0, "seconds": 1.0}, {"shard": 1, "seconds": 3.0}]


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_text(file.read_text().replace("1.25", "9.25")),
        lambda file: file.write_text(file.read_text().replace("}", "]")),
        lambda file: file.write_bytes(file.read_bytes().replace(b"shard", b"sh\xffrd")),
        lambda file: file.write_text(""),
        lambda file: file.unlink(),
    ],
    ids=["edited", "no object", "no UTF-8", "emptied", "removed"],
)
def test_changed_costs_of_a_complete_artifact_are_refused(artifact: Any, damage: Callable[[Any], None]) -> None:
    with artifact.writing():
        write(artifact, 0)
        artifact.add_cost(0, seconds=1.25)
        artifact.finish(1, {})
    assert artifact.costs() == [{"shard": 0, "seconds": 1.25}]
    damage(artifact.folder / "costs.0.jsonl")
    with pytest.raises(UserError, match=r"is broken: costs\.0\.jsonl is not what was written .*rm -r"):
        artifact.costs()


def test_a_run_killed_between_costs_and_manifest_seals_them_anew(artifact: Any) -> None:
    with artifact.writing():
        write(artifact, 0)
        artifact.add_cost(0, seconds=1.25)
        artifact.finish(1, {})
    (artifact.folder / "manifest.json").unlink()
    again = Artifact(artifact.folder, artifact.stage, artifact.inputs)
    with again.writing():
        again.finish(1, {})
    assert again.costs() == [{"shard": 0, "seconds": 1.25}]
    assert (again.folder / "costs.0.jsonl").read_text().count("blake2b") == 1


# --- broken artifacts ---


def change_a_byte(file: Any) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncate(file: Any) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize("name", [ROWS, TENSORS])
@pytest.mark.parametrize(
    ("damage", "why"),
    [(change_a_byte, "is not what was written"), (truncate, "is not what was written"), (Path.unlink, "is missing")],
)
def test_damaged_file_is_named_with_the_way_out(artifact: Any, name: Any, damage: Any, why: str) -> None:
    found = written(artifact)
    damage(found.folder / "00001" / name)
    read = found.rows if name == ROWS else lambda: found.tensors(1)
    with pytest.raises(UserError, match=rf"is broken: 00001/{name} {why}.*rm -r '{found.folder}'.*only this"):
        read()
    assert found.rows(0).num_rows == 3
    assert found.tensors(0)["states"].shape == (3, 2)


def test_file_that_was_never_written_is_refused(artifact: Any) -> None:
    found = written(artifact)
    (found.folder / "00000" / "slipped-in").write_text("?")
    with pytest.raises(UserError, match="00000/slipped-in is not in the manifest"):
        found.path("slipped-in")


@pytest.mark.parametrize("name", [ROWS, TENSORS])
def test_file_of_another_format_is_refused(artifact: Any, name: Any) -> None:
    with artifact.writing():
        with artifact.shard(0) as folder:
            (folder / name).write_bytes(b"neither rows nor tensors")
        artifact.finish(1, {})
    with pytest.raises(UserError, match=rf"{name} cannot be read"):
        artifact.rows() if name == ROWS else artifact.tensors(0)


WHOLE = {"shards": 1, "summary": {}, "files": {"00000/rows.parquet": {"bytes": 1, "blake2b": "00"}}}
FILE = "00000/rows.parquet"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "\xff",
        *(json.dumps({key: value for key, value in WHOLE.items() if key != missing}) for missing in WHOLE),
        json.dumps({**WHOLE, "shards": "1"}),
        json.dumps({**WHOLE, "summary": []}),
        json.dumps({**WHOLE, "files": []}),
        json.dumps({**WHOLE, "files": {FILE: {"bytes": 1}}}),
        json.dumps({**WHOLE, "files": {FILE: {"bytes": "1", "blake2b": "00"}}}),
        json.dumps({**WHOLE, "files": {FILE: {"bytes": 1, "blake2b": None}}}),
        json.dumps({**WHOLE, "files": {FILE: None}}),
    ],
)
@pytest.mark.parametrize(
    "read", [lambda a: a.summary, lambda a: a.n_bytes, lambda a: a.rows()], ids=["summary", "size", "rows"]
)
def test_broken_manifest_is_named_with_the_way_out(artifact: Any, content: Any, read: Callable[..., Any]) -> None:
    found = written(artifact)
    (found.folder / "manifest.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=r"is broken: manifest\.json .*rm -r"):
        read(found)


@pytest.mark.parametrize("part", ["summary", "shards", "key", "files"])
def test_an_edited_manifest_is_refused(artifact: Any, part: str) -> None:
    found = written(artifact)
    path = found.folder / "manifest.json"
    stored = json.loads(path.read_text())
    stored[part] = {"summary": {"accuracy": 0.99}, "shards": 1, "key": "other", "files": {}}[part]
    path.write_text(json.dumps(stored))
    with pytest.raises(UserError, match=r"manifest\.json is not what was written .*rm -r"):
        found.summary  # noqa: B018


def test_a_manifest_of_an_earlier_version_is_read(artifact: Any) -> None:
    found = written(artifact)
    path = found.folder / "manifest.json"
    stored = json.loads(path.read_text())
    assert stored.pop("blake2b")
    path.write_text(json.dumps(stored))
    assert found.n_shards == 2


def test_artifact_without_a_manifest_says_so(artifact: Any) -> None:
    with pytest.raises(UserError, match=r"manifest\.json cannot be read \(FileNotFoundError"):
        artifact.rows()


# --- two processes, full disks ---

HOLD = """
import sys
from pathlib import Path
from ccps.core.artifacts import Artifact
with Artifact.at(Path(sys.argv[1]), "extract", {}).writing():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_artifact_held_by_another_process_names_its_pid(tmp_path: Path) -> None:
    artifact = Artifact.at(tmp_path, "extract", {})
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        (artifact.folder / ".00000.partial").mkdir()
        with (
            pytest.raises(UserError, match=rf"\(pid {holder.pid}\) is writing .*{artifact.key}.*Wait"),
            artifact.writing(),
        ):
            pass
        assert (artifact.folder / ".00000.partial").is_dir(), "what the holder is writing was removed"
        holder.kill()
    with artifact.writing():
        assert (artifact.folder / ".lock").read_text() == str(os.getpid())


def test_lock_is_given_back_after_an_error(artifact: Any) -> None:
    with pytest.raises(ValueError, match="mine"), artifact.writing():
        raise ValueError("mine")
    with artifact.writing():
        pass


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("error", FULL, ids=["system", "safetensors"])
def test_full_disk_is_told_keeps_whole_shards_and_frees_the_half_one(artifact: Any, error: Any) -> None:
    with artifact.writing():
        write(artifact, 0)
        with pytest.raises(UserError, match=r"Cannot write to .*: No space left on device.*paths\.artifacts.*are kept"):
            fail_halfway(artifact, 1, error)
        assert artifact.has_shard(0)
        assert not artifact.has_shard(1)
        assert list(artifact.folder.glob(".*.partial")) == []


@pytest.mark.parametrize(
    ("file", "act"),
    [
        (".manifest.partial", lambda artifact: artifact.finish(1, {})),
        ("costs.0.jsonl", lambda artifact: artifact.add_cost(0, seconds=1.0)),
        ("inputs.json", lambda artifact: artifact.writing().__enter__()),
    ],
)
def test_full_disk_is_told_wherever_it_strikes(artifact: Any, file: str, act: Callable[..., Any]) -> None:
    with artifact.writing():
        write(artifact, 0)
    (artifact.folder / file).unlink(missing_ok=True)
    (artifact.folder / file).symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"Cannot write to .*: No space left on device"):
        act(artifact)
    assert not artifact.complete


def test_root_that_is_not_writable_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(UserError, match="Permission denied"), Artifact.at(tmp_path, "fit", {}).writing():
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_written_without(
    artifact: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    locked = written(Artifact.at(tmp_path / "locked", "extract", INPUTS))

    def no_locks(*args: Any) -> None:
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert whole(written(artifact)) == whole(locked)


# --- several that hold nothing ---


def shared(artifact: Artifact, *who: str) -> list[Artifact]:
    """The same artifact, as each of several processes has it."""
    root = artifact.folder.parents[1]
    return [Artifact.at(root, artifact.stage, artifact.inputs, own_name(name)) for name in who]


def write_into(folder: Path) -> None:
    (folder / "number").write_text("1")


def whole(artifact: Artifact) -> dict[str, bytes]:
    """The content and the manifest, without what helps to write them."""
    return {
        path.relative_to(artifact.folder).as_posix(): path.read_bytes()
        for path in sorted(artifact.folder.rglob("*"))
        if path.is_file() and not path.name.startswith((".", "costs."))
    }


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


def test_what_is_noted_after_the_end_changes_no_account(artifact: Artifact) -> None:
    one, late = shared(artifact, "one", "late")
    with one.writing():
        for index in range(2):
            write(one, index)
            one.add_cost(index, seconds=1.0)
        one.finish(2, {})
    late.add_cost(0, seconds=9.0)
    artifact.add_cost(1, seconds=9.0)
    assert [cost["seconds"] for cost in artifact.costs()] == [1.0, 1.0]


def test_the_costs_of_an_earlier_version_lie_in_the_files_of_all_processes(artifact: Artifact) -> None:
    found = written(artifact)
    lines = [{"shard": 0, "seconds": 1.0}, {"shard": 1, "seconds": 2.0}]
    seal = {"blake2b": digest(json.dumps(lines))}
    (found.folder / "costs.0.jsonl").write_text(f"\n{json.dumps(lines[0])}\n{json.dumps(seal)}")
    (found.folder / "costs.1.jsonl").write_text(f"\n{json.dumps(lines[1])}")
    assert found.costs() == lines


def test_a_run_that_holds_an_artifact_forgets_no_cost_of_others(artifact: Artifact) -> None:
    (other,) = shared(artifact, "other")
    with other.writing():
        other.add_cost(0, seconds=1.0)  # whose shard is still being written
        with artifact.writing():
            write(other, 0)
    assert artifact.costs() == [{"shard": 0, "seconds": 1.0}]


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "elsewhere"), OSError(errno.ENOENT, "gone"), SafetensorError("odd header")]
)
def test_errors_from_elsewhere_are_not_blamed_on_the_artifact(artifact: Any, error: Any) -> None:
    with pytest.raises(type(error), match=str(error.args[-1])), artifact.writing():
        raise error


@pytest.mark.parametrize("error", [OSError(errno.EIO, "bad disk"), OSError("no number"), SafetensorError("odd header")])
def test_other_errors_inside_a_shard_stay_what_they_are(artifact: Any, error: Any) -> None:
    with artifact.writing(), pytest.raises(type(error), match=str(error.args[-1])), artifact.shard(0):
        raise error


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
