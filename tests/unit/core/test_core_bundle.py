"""A run in one file: what comes out is what went in, and nothing lands where it should not."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from stored_runs import StoredRun

from ccps.core.artifacts import Artifact
from ccps.core.bundle import INDEX, export_run, import_run
from ccps.core.errors import UserError
from ccps.core.holdings import Store


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def exported(folder: Path, name: str = "first") -> Path:
    store = Store(folder / "artifacts", folder / "outputs")
    export_run(store, store.run(name), folder / "run.tar")
    return folder / "run.tar"


def imported(bundle: Path, folder: Path) -> None:
    import_run(bundle, folder / "artifacts", folder / "outputs")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    run = StoredRun(tmp_path, "first")
    run.record(ended=True, settings={"grader": {"second": 1, "first": 2}})
    StoredRun(tmp_path, "second")
    return exported(tmp_path)


def test_what_comes_out_is_what_went_in_and_of_this_run_alone(bundle: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    imported(bundle, there)
    here, first = Store(there / "artifacts", there / "outputs"), tmp_path / "outputs" / "first"
    assert contents(there / "outputs" / "first") == contents(first)
    assert sorted(one.artifact.stage for one in here.holdings) == ["answer", "extract", "report"]
    assert {one.state for one in here.holdings} == {"used"}
    for one in here.artifacts.values():
        assert contents(one.folder) == contents(tmp_path / "artifacts" / one.stage / one.key)
    record = here.run("first").record
    assert record is not None
    assert list(record.settings["grader"]) == ["second", "first"]
    assert not [path for path in (there / "artifacts").iterdir() if path.name.startswith(".import")]


def test_an_unfinished_run_goes_along_with_its_whole_shards(tmp_path: Path) -> None:
    run = StoredRun(tmp_path, "first", finished=False)
    run.record(ended=False)
    imported(exported(tmp_path), tmp_path / "there")
    store = Store(tmp_path / "there" / "artifacts", tmp_path / "there" / "outputs")
    assert {one.name: one.complete for one in store.holdings} == {
        run.name(run.answers): True,
        run.name(run.features): False,
    }
    moved = store.artifacts[run.features.key]
    assert moved.has_shard(0)
    moved.check_shards(1)
    assert store.run("first").needed == {run.answers.key, run.features.key}


def test_what_is_there_already_stays_and_what_was_only_begun_is_replaced(bundle: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    run = StoredRun(there, "first", finished=False)
    kept = (run.answers.folder / "manifest.json").stat().st_mtime_ns
    found = import_run(bundle, there / "artifacts", there / "outputs")
    assert found.present == [run.name(run.answers)]
    assert (run.answers.folder / "manifest.json").stat().st_mtime_ns == kept
    assert run.features.complete


def test_an_output_that_is_there_is_not_replaced(bundle: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    imported(bundle, there)
    before = contents(there)
    with pytest.raises(UserError, match="free for the run"):
        imported(bundle, there)
    assert contents(there) == before


def test_a_file_that_is_there_is_not_written_over(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a new file"):
        exported(tmp_path)
    assert not list(tmp_path.glob(".*"))


def rewritten(bundle: Path, change: Callable[[dict[str, object], list[tuple[tarfile.TarInfo, bytes]]], None]) -> Path:
    """The bundle with its index and members changed."""
    with tarfile.open(bundle) as tar:
        members = [(one, tar.extractfile(one).read()) for one in tar.getmembers()]  # type: ignore[union-attr]
    index = json.loads(members[0][1])
    rest = members[1:]
    change(index, rest)
    target = bundle.with_name("changed.tar")
    with tarfile.open(target, "w") as tar:
        text = json.dumps(index).encode()
        first = tarfile.TarInfo(INDEX)
        for member, content in [(first, text), *rest]:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return target


BAD_NAMES = [
    "/etc/passwd",
    "../out",
    "output/../../out",
    "output//x",
    "output\\x",
    "elsewhere/x",
    "artifacts/answer/x",
    "output/a\0b",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_path_that_leads_elsewhere_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    def change(index: dict, rest: list) -> None:  # type: ignore[type-arg]
        index["files"][name] = {"bytes": 1, "blake2b": "0"}

    there = tmp_path / "there"
    with pytest.raises(UserError, match="Do not trust this file"):
        imported(rewritten(bundle, change), there)
    assert not there.exists()


@pytest.mark.parametrize("name", ["/tmp/x", "..", "a/../../b", ""])
def test_a_run_whose_name_leads_elsewhere_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    def change(index: dict, rest: list) -> None:  # type: ignore[type-arg]
        index["name"] = name

    with pytest.raises(UserError, match="Do not trust this file"):
        imported(rewritten(bundle, change), tmp_path / "there")


@pytest.mark.parametrize(
    "artifact", ["answer/xyz", "../0123456789abcdef", ".runs/0123456789abcdef", "a/b/0123456789abcdef", 3]
)
def test_what_is_no_artifact_is_refused(bundle: Path, tmp_path: Path, artifact: object) -> None:
    def change(index: dict, rest: list) -> None:  # type: ignore[type-arg]
        index["artifacts"].append(artifact)

    with pytest.raises(UserError, match="Do not trust this file"):
        imported(rewritten(bundle, change), tmp_path / "there")


def test_a_link_in_the_place_of_a_file_is_refused(bundle: Path, tmp_path: Path) -> None:
    def change(index: dict, rest: list) -> None:  # type: ignore[type-arg]
        rest[0][0].type, rest[0][0].linkname = tarfile.SYMTYPE, "/etc/passwd"

    with pytest.raises(UserError, match="Do not trust this file"):
        imported(rewritten(bundle, change), tmp_path / "there")
    assert not (tmp_path / "there" / "outputs").exists()


def test_a_member_that_is_not_in_the_index_is_refused(bundle: Path, tmp_path: Path) -> None:
    def change(index: dict, rest: list) -> None:  # type: ignore[type-arg]
        rest.append((tarfile.TarInfo("output/more.txt"), b"x"))

    with pytest.raises(UserError, match=r"output/more\.txt"):
        imported(rewritten(bundle, change), tmp_path / "there")


def test_a_damaged_byte_is_found(bundle: Path, tmp_path: Path) -> None:
    def change(index: dict, rest: list) -> None:  # type: ignore[type-arg]
        rest[0] = (rest[0][0], rest[0][1][:-1] + b"?")

    with pytest.raises(UserError, match="what was exported, but got another size or hash"):
        imported(rewritten(bundle, change), tmp_path / "there")


def test_a_missing_member_is_found(bundle: Path, tmp_path: Path) -> None:
    def change(index: dict, rest: list) -> None:  # type: ignore[type-arg]
        rest.pop()

    with pytest.raises(UserError, match="whole, but got no"):
        imported(rewritten(bundle, change), tmp_path / "there")


def test_an_artifact_under_a_key_that_is_not_its_own_is_refused(bundle: Path, tmp_path: Path) -> None:
    """As if somebody's answers were to pass for those of other settings."""
    forged = "0" * 16

    def change(index: dict, rest: list) -> None:  # type: ignore[type-arg]
        (name,) = [one for one in index["artifacts"] if one.startswith("extract/")]
        index["artifacts"] = [one.replace(name, f"extract/{forged}") for one in index["artifacts"]]
        index["files"] = {one.replace(name, f"extract/{forged}"): entry for one, entry in index["files"].items()}
        for member, _ in rest:
            member.name = member.name.replace(name, f"extract/{forged}")

    with pytest.raises(UserError, match="the inputs of extract/0000000000000000"):
        imported(rewritten(bundle, change), tmp_path / "there")
    assert not (tmp_path / "there" / "artifacts" / "extract").exists()


@pytest.mark.parametrize("content", [b"", b"not a tar at all", b"\0" * 20_000])
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(UserError, match="Export the run once more"):
        imported(tmp_path / "x.tar", tmp_path / "there")


def test_a_bundle_that_is_cut_off_is_refused(bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cut\.tar"):
        imported(tmp_path / "cut.tar", tmp_path / "there")
    assert not (tmp_path / "there" / "outputs").exists()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        imported(tmp_path / "none.tar", tmp_path / "there")


def test_a_run_from_elsewhere_is_imported_under_its_own_name(tmp_path: Path) -> None:
    run = StoredRun(tmp_path, "first")
    run.output.rename(tmp_path / "moved")
    run.output = tmp_path / "moved"
    run.record(ended=True)
    imported(exported(tmp_path, str(tmp_path / "moved")), tmp_path / "there")
    assert (tmp_path / "there" / "outputs" / "moved" / "run.json").exists()
    assert Artifact(tmp_path / "there" / "artifacts" / run.name(run.report), "report", {}).complete
