"""What an actor of Ray does for a run: it holds the model, and makes shards of one stage after the other."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ccps.core.keys import own_name
from ccps.core.objects import ObjectStore, note_copy
from ccps.pipeline.computing import finish, make_shard
from ccps.pipeline.stage import Run, Stage, Work
from ccps.pipeline.trainer import run_device


class Hand:
    """An actor: makes shards of one stage after the other, and keeps the model between them.

    A stage comes by its key and a reference in a list, which Ray does not fetch unless it is asked to.

    Args:
        root: folder of artifacts.
        here: folder that the run was started in, from which its other paths may count.
        accelerator: of Lightning.
        threads: of torch; None for what Ray has set.
        objects: see `Run`.
    """

    def __init__(
        self, root: Path, here: Path, accelerator: str, threads: int | None, objects: ObjectStore | None
    ) -> None:
        with suppress(FileNotFoundError):
            os.chdir(here)
        if threads is not None:
            torch.set_num_threads(threads)
        if objects is not None:
            note_copy(root, objects.url)
        self._run = Run(root, accelerator, own=own_name("ray"), objects=objects)
        self._key = ""
        self._stage: Stage | None = None
        self._shards: Sequence[Sequence[Work]] = ()

    def ready(self) -> None:
        """Answer, once there is a place for it."""

    def sizes(self, key: str, reference: list[Any]) -> list[int]:
        """Units of work of each shard of a stage."""
        self._open(key, reference)
        return [sum(work.size for work in shard) for shard in self._shards]

    def make(self, key: str, reference: list[Any], shard: int) -> None:
        """Make a shard, unless it is there."""
        stage = self._open(key, reference)
        artifact = stage.artifact(self._run)
        if not artifact.has_shard(shard):
            make_shard(stage, artifact, self._run, shard, self._shards[shard])

    def finish(self, key: str, reference: list[Any], found: bool) -> None:
        """Complete an artifact, all of whose shards are there; `found` says whether they were all found."""
        stage = self._open(key, reference)
        finish(stage, stage.artifact(self._run), len(self._shards), found=found)

    def do(self, work: Callable[..., object], arguments: Sequence[Any]) -> None:
        """Do something else, given the arguments and how stages are run here."""
        work(*arguments, self._run)

    def _open(self, key: str, reference: list[Any]) -> Stage:
        """The stage, prepared."""
        import ray

        if self._stage is None or self._key != key:
            self._stage, self._shards = None, ()  # the last one's memory goes first
            stage: Stage = ray.get(reference[0])
            stage.prepare(run_device(self._run))
            self._key, self._stage, self._shards = key, stage, stage.plan()
        return self._stage
