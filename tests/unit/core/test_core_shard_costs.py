import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filled_artifacts import shared, write, written

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.core.keys import digest


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
