"""Writes the shards of a stage, each whole or not at all."""

import resource
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from ccps.core.artifacts import Artifact

Save = Callable[[list[Any], Path], Mapping[str, float]]
"""Writes the outputs of a shard's steps into a folder, and says what they cost beside time."""


class ShardWriter(pl.Callback):
    """Writes each shard when its last step is done, and notes what it cost.

    Args:
        artifact: whose shards.
        save: writes one.
        ahead: whether the next one's steps may go on beside it.
        rank: of this process.
    """

    def __init__(self, artifact: Artifact, save: Save, *, ahead: bool, rank: int) -> None:
        self.artifact = artifact
        self.save = save
        self.ahead = ahead
        self.rank = rank
        self.outputs: list[Any] = []
        self.started = time.perf_counter()
        self.pool = ThreadPoolExecutor(max_workers=1)
        self.writing: Future[None] | None = None

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the output of a step; after a shard's last one, write it."""
        self.outputs.append(outputs)
        if not batch.closes:
            return
        self.wait()
        seconds = time.perf_counter() - self.started
        self.writing = self.pool.submit(self._write, batch.shard, self.outputs, seconds)
        if not self.ahead:
            self.wait()
        self.outputs, self.started = [], time.perf_counter()

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for the last shard."""
        self.wait()

    def wait(self) -> None:
        """Wait for the shard that is being written; what went wrong with it is raised here."""
        if self.writing is not None:
            writing, self.writing = self.writing, None
            writing.result()

    def _write(self, shard: int, outputs: list[Any], seconds: float) -> None:
        started = time.perf_counter()
        with self.artifact.shard(shard) as folder:
            cost = self.save(outputs, folder)
            # Before the shard takes its place, so that a kill leaves none without; the wait for the disk is not in it.
            seconds += time.perf_counter() - started
            self.artifact.add_cost(shard, by=self.rank, seconds=seconds, peak_memory=peak_memory(), **cost)


def peak_memory() -> int:
    """Most memory this process has held so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
