"""Where things are kept: folders of this machine, and places in object stores."""

from pathlib import Path

import pytest

from ccps.core.objects import note_copy
from ccps.settings.run import PathsConfig


def faults(**paths: str) -> list[str]:
    return [f"{one.path}{one.says}" for one in PathsConfig(**{"output": "outputs/x", **paths}).faults()]


def test_folders_and_places_in_stores_are_taken(tmp_path: Path) -> None:
    assert faults() == []
    assert faults(artifacts=str(tmp_path / "new")) == []
    assert faults(artifacts="memory://bucket/prefix", cache=str(tmp_path / "cache")) == []
    assert PathsConfig(artifacts="artifacts").store is None
    assert PathsConfig(artifacts="artifacts").folder == Path("artifacts")


def test_each_store_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCPS_CACHE", str(tmp_path))
    folders = [PathsConfig(artifacts=url).folder for url in ("s3://a/b", "s3://a/b/", "s3://a/c")]
    assert folders[0] == folders[1] != folders[2]
    assert folders[0].parent == tmp_path / "artifacts"
    assert PathsConfig(artifacts="s3://a/b", cache="here").folder == Path("here")


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (said,) = faults(artifacts="ftp://host/prefix")
    assert said.startswith("paths.artifacts to be a folder, or a place in an object store, but got a URL of `ftp`: ")
    (said,) = faults(output="s3://bucket/outputs")
    assert said == "paths.output to be a folder of this machine, but got `s3://bucket/outputs`"


def test_the_folder_of_a_store_is_no_folder_of_artifacts(tmp_path: Path) -> None:
    note_copy(tmp_path / "cache", "s3://bucket/prefix")
    (said,) = faults(artifacts=str(tmp_path / "cache"))
    assert said.endswith("but got one with parts of s3://bucket/prefix: set it to s3://bucket/prefix")


def test_the_folder_for_a_store_must_be_one_that_can_be_had(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (said,) = faults(artifacts="memory://bucket", cache=str(tmp_path / "file"))
    assert said.startswith("paths.cache to be a folder that is there or can be made")
