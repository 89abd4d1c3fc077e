"""Places in object stores: a disk and memory, as fsspec has them."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from ccps.core import objects as objects_module
from ccps.core.errors import UserError
from ccps.core.objects import ObjectStore, copy_of, is_url, note_copy, url_problem


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return ObjectStore(f"{request.param}://{tmp_path}/prefix/")


def test_what_is_put_is_there(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"\x00\xff" * 5000)
    store.put(tmp_path / "one", "answer/ab/00000/rows.parquet")
    store.write("answer/ab/.00000.json", b"{}")
    assert store.read(["answer/ab/.00000.json", "answer/ab/.00001.json"]) == {"answer/ab/.00000.json": b"{}"}
    wanted = [(f"answer/ab/0000{number}/rows.parquet", tmp_path / f"copy{number}") for number in range(2)]
    assert store.get(wanted) == ["answer/ab/00001/rows.parquet"]
    assert (tmp_path / "copy0").read_bytes() == b"\x00\xff" * 5000
    assert store.names("answer/ab") == {"00000", ".00000.json"}


def test_an_object_is_replaced_as_a_whole(store: ObjectStore, tmp_path: Path) -> None:
    store.write("one", b"a long text")
    (tmp_path / "short").write_bytes(b"short")
    store.put(tmp_path / "short", "one")
    assert store.read(["one"]) == {"one": b"short"}
    assert store.names("") == {"one"}  # nothing half is left beside it


def test_what_is_not_there_is_no_fault(store: ObjectStore, tmp_path: Path) -> None:
    assert store.names("nowhere") == set()
    assert store.read(["a", "b"]) == {}
    assert store.get([]) == []
    store.remove(["nowhere"])


def test_objects_are_removed(store: ObjectStore) -> None:
    for name in ("one", "two", "three"):
        store.write(name, b"")
    store.remove(["one", "none", "three"])
    assert store.names("") == {"two"}


def test_it_goes_to_other_processes(store: ObjectStore) -> None:
    store.write("one", b"1")  # which opens it here
    sent: ObjectStore = pickle.loads(pickle.dumps(store))
    assert sent.url == store.url == store.url.rstrip("/")
    assert sent.read(["one"]) == {"one": b"1"}


def test_a_store_that_cannot_be_written_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"Expected `file://.*/file/deep` to be an object store that can be reached"):
        ObjectStore(f"file://{tmp_path}/file/deep").check()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host/x", "a URL of `ftp`: stores are s3://, gs://, az://, file://, memory://"),
        ("s3://", "`s3://`: name a place in it, as s3://bucket/prefix"),
        ("memory://a*", "leave out the signs"),
    ],
)
def test_what_is_no_store_is_known_before_it_is_looked_for(url: str, says: str) -> None:
    assert is_url(url)
    assert says in ": ".join(url_problem(url) or ())


@pytest.mark.parametrize(("protocol", "package"), [("s3", "'ccps[cloud]'"), ("gs", "gcsfs")])
def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, protocol: str, package: str) -> None:
    there: dict[str, Any] = {}
    monkeypatch.setattr(objects_module, "find_spec", there.get)
    problem = url_problem(f"{protocol}://bucket/prefix")
    assert problem is not None
    assert "is not installed" in problem[0]
    assert problem[1] == f"run `pip install {package}`"
    there[{"s3": "s3fs", "gs": "gcsfs"}[protocol]] = object()
    assert url_problem(f"{protocol}://bucket/prefix") is None


def test_a_folder_says_of_which_store_it_holds_parts(tmp_path: Path) -> None:
    assert copy_of(tmp_path / "none") is None
    note_copy(tmp_path / "new" / "cache", "s3://bucket/prefix")
    assert copy_of(tmp_path / "new" / "cache") == "s3://bucket/prefix"
    assert not is_url("artifacts")
