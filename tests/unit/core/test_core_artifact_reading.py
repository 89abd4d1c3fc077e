import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filled_artifacts import INPUTS, write, written

from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.core.errors import UserError


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


def test_naming_an_artifact_touches_nothing(tmp_path: Path, artifact: Any) -> None:
    assert not artifact.complete
    assert list(tmp_path.iterdir()) == []


def test_nested_folders_are_part_of_a_shard(artifact: Any) -> None:
    with artifact.writing():
        with artifact.shard(0) as folder:
            (folder / "probe" / "deep").mkdir(parents=True)
            (folder / "probe" / "deep" / "weights").write_bytes(b"123")
        artifact.finish(1, {})
    assert list(artifact.manifest["files"]) == ["00000/probe/deep/weights"]
    assert artifact.path("probe/deep/weights").read_bytes() == b"123"


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
