"""Artifacts of two shards, whole, half written or filled by several, for tests of the store."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.core.keys import own_name

INPUTS = {"model": "abc", "radius": 20.0, "steps": 5, "nested": {"seeds": [1, 2]}}


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


def fail_halfway(artifact: Any, index: Any, error: Any) -> None:
    with artifact.shard(index) as folder:
        (folder / "half").write_text("half")
        raise error


def shared(artifact: Artifact, *who: str) -> list[Artifact]:
    """The same artifact, as each of several processes has it."""
    root = artifact.folder.parents[1]
    return [Artifact.at(root, artifact.stage, artifact.inputs, own_name(name)) for name in who]


def whole(artifact: Artifact) -> dict[str, bytes]:
    """The content and the manifest, without what helps to write them."""
    return {
        path.relative_to(artifact.folder).as_posix(): path.read_bytes()
        for path in sorted(artifact.folder.rglob("*"))
        if path.is_file() and not path.name.startswith((".", "costs."))
    }
