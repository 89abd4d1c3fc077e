"""A stage without a model: squares of small numbers, some of them as rows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.core.artifacts import ROWS, Artifact
from ccps.pipeline.stage import Run, Stage, Work


class Squares(Stage):
    """Squares of the numbers below `n`, three to a shard and one or two to a step."""

    name = "squares"
    unit = "numbers"

    def __init__(self, n: int = 8, fails_at: int | None = None, error: type[BaseException] = RuntimeError) -> None:
        super().__init__()
        self.n = n
        self.fails_at = fails_at
        self.error = error
        self.prepared = 0
        self.steps: list[list[int]] = []

    @property
    def title(self) -> str:
        return f"below {self.n} [bold]"

    def inputs(self) -> Mapping[str, Any]:
        return {"n": self.n}

    def prepare(self, device: torch.device) -> None:
        self.prepared += 1

    def plan(self) -> Sequence[Sequence[Work]]:
        shards = [list(range(start, min(start + 3, self.n))) for start in range(0, self.n, 3)]
        return [[Work(part, len(part)) for part in (shard[:2], shard[2:]) if part] for shard in shards]

    def step(self, content: list[int]) -> list[int]:
        if self.fails_at in content:
            raise self.error("no square for this one")
        self.steps.append(content)
        return [number**2 for number in content]

    def save_shard(self, outputs: list[list[int]], folder: Path) -> Mapping[str, float]:
        numbers = [number for output in outputs for number in output]
        (folder / "squares.json").write_text(json.dumps(numbers))
        return {"n": len(numbers)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        return {"squares": self.n, "mean": 1 / 3, "by_kind": {"not": "shown"}, "why": "because"}


class Rows(Squares):
    """The same as rows; their columns have names that the code chooses."""

    name = "rows"
    columns: ClassVar[tuple[str, ...]] = ("number", "square")

    def save_shard(self, outputs: list[list[int]], folder: Path) -> Mapping[str, float]:
        numbers = [number for output in outputs for number in output]
        pq.write_table(pa.table(dict.fromkeys(self.columns, numbers)), folder / ROWS)
        return {"n": len(numbers)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        return {"last": artifact.written_rows()[self.columns[-1]][-1].as_py()}


class OtherRows(Rows):
    columns = ("number", "root")


def run(folder: Path) -> Run:
    return Run(folder, "cpu")


def content(artifact: Artifact) -> dict[str, bytes]:
    """Every file but what a run cost."""
    return {
        str(path.relative_to(artifact.folder)): path.read_bytes()
        for path in sorted(artifact.folder.rglob("*"))
        if path.is_file() and path.name not in ("costs.0.jsonl", ".lock")
    }
