"""Content-addressed folders: what a stage has computed, found again by everything that determined it.

    artifacts/<stage>/<key>/
        inputs.json       everything the key was made of, to read
        00000/ 00001/ …   shards; each appears whole, by a rename, or not at all
        .00000.json …     sizes and hashes of a shard's files, so that a resumed run can check it
        costs.0.jsonl …   seconds and tokens of each shard, by process (not part of the content); at last their hash
        manifest.json     written last: its presence means complete; sizes and hashes of every file, and its own hash

A stage that is killed leaves whole shards behind and goes on from there when the same command is run again.

Processes that know nothing of each other may fill one artifact, on a disk without locks too: each writes under names of
its own (`Artifact.own`), and what is whole takes its place by a rename. Of two that have made the same the first stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from ccps.core.artifact_writing import WritableArtifact

# What takes a second and more to import is imported where it is used: whoever asks what is stored waits for none of it.
if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

ROWS = "rows.parquet"
TENSORS = "tensors.safetensors"


class Artifact(WritableArtifact):
    """The result of one stage for one set of inputs, with what its shards commonly hold: rows and tensors."""

    def written_rows(self, columns: Sequence[str] | None = None) -> "pa.Table":
        """Rows of all shards written so far, in order; of an artifact that has no manifest yet."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pa.concat_tables([pq.read_table(path, columns=columns) for path in self._all_written(ROWS)])

    def n_written_rows(self) -> int:
        """How many rows all shards written so far have together, without reading them."""
        import pyarrow.parquet as pq

        return sum(pq.read_metadata(path).num_rows for path in self._all_written(ROWS))

    def rows(self, shard: int | None = None) -> "pa.Table":
        """Rows of one shard, or of all shards in order."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        shards = range(self.n_shards) if shard is None else [shard]
        try:
            return pa.concat_tables([pq.read_table(self.path(ROWS, index)) for index in shards])
        except pa.ArrowException as error:
            raise self.broken(ROWS, f"cannot be read ({error})") from error

    def tensors(self, shard: int) -> "dict[str, Tensor]":
        """Tensors of one shard."""
        from safetensors.torch import load_file

        try:
            return dict(load_file(self.path(TENSORS, shard)))
        except SafetensorError as error:
            raise self.broken(TENSORS, f"cannot be read ({error})") from error


def artifacts_in(value: Any) -> Iterator[Artifact]:
    """All artifacts in any JSON-like value."""
    if isinstance(value, Artifact):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from artifacts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from artifacts_in(one)
