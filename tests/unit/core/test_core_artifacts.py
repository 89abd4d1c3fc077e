import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from filled_artifacts import INPUTS, write, written

from ccps.core.artifacts import ROWS, TENSORS, Artifact, artifacts_in
from ccps.core.errors import UserError


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


def test_an_artifact_among_inputs_stands_for_its_key(tmp_path: Path, artifact: Artifact) -> None:
    other = Artifact.at(tmp_path, "answer", {})
    inputs = {"answers": artifact, "more": [1, {"deep": (other, "x")}], "none": None}
    found = Artifact.at(tmp_path, "fit", inputs)
    plain = {"answers": artifact.key, "more": [1, {"deep": [other.key, "x"]}], "none": None}
    assert found == Artifact.at(tmp_path, "fit", plain)
    assert found.inputs == plain
    assert list(artifacts_in(inputs)) == [artifact, other]


@pytest.mark.parametrize("name", [ROWS, TENSORS])
def test_file_of_another_format_is_refused(artifact: Any, name: Any) -> None:
    with artifact.writing():
        with artifact.shard(0) as folder:
            (folder / name).write_bytes(b"neither rows nor tensors")
        artifact.finish(1, {})
    with pytest.raises(UserError, match=rf"{name} cannot be read"):
        artifact.rows() if name == ROWS else artifact.tensors(0)
