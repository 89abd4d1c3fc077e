"""What stages have in common that make rows out of the traces of each shard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ccps.core.artifacts import ROWS, Artifact
from ccps.grading.base import Usage
from ccps.pipeline.stage import Stage, Work

Rows = list[dict[str, Any]]


class ByShardStage(Stage):
    """Works off another artifact shard by shard, and writes rows for each.

    Args:
        source: whose shards.
        label: dataset, prompt and model, for the lines that are printed.
    """

    unit = "shards"
    independent = True
    schema: ClassVar[pa.Schema]

    def __init__(self, source: Artifact, label: str) -> None:
        super().__init__()
        self.source = source
        self.label = label

    @property
    def title(self) -> str:
        """What is worked on."""
        return self.label

    def plan(self) -> Sequence[Sequence[Work]]:
        """Shard by shard."""
        return [[Work(shard)] for shard in range(self.source.n_shards)]

    def step(self, content: int) -> Rows:
        """The rows of a shard."""
        raise NotImplementedError

    def save_shard(self, outputs: list[Rows], folder: Path) -> Mapping[str, float]:
        """Write the rows."""
        pq.write_table(pa.Table.from_pylist(outputs[0], schema=self.schema), folder / ROWS)
        return {"n": len(outputs[0])}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Sum up the rows of all shards."""
        return self.summary_of(artifact.written_rows().to_pandas())

    def summary_of(self, rows: pd.DataFrame) -> Mapping[str, Any]:
        """Sum up all rows."""
        raise NotImplementedError


def reasons(column: pd.Series) -> dict[str, int]:
    """How often each reason is given; an empty one is none."""
    return {str(reason): int(number) for reason, number in column[column != ""].value_counts().items()}


def spent(before: Usage, now: Usage) -> dict[str, float]:
    """What was taken of an endpoint in between, as costs; nothing if none was asked."""
    used = Usage(*(later - earlier for later, earlier in zip(now, before, strict=True)))
    return {"tokens": used.prompt_tokens + used.completion_tokens, **used._asdict()} if any(used) else {}
