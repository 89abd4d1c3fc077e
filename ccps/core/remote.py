"""Artifacts in an object store, of which a folder of this machine holds what is in use.

In the store an artifact is what it is in a folder (`ccps.core.artifacts`), object for file, under the same names:

    <url>/<stage>/<key>/
        inputs.json
        <shard>/rows.parquet   and what else a shard holds
        .<shard>.json          sizes and hashes of that; put last: it says that the shard is whole
        costs.<who>.jsonl      of each process; put before
        costs.0.jsonl          of all, and
        manifest.json          put last of all

Nobody holds anything: of two that have made a shard the first to put its mark is believed, and the other takes over
that one's. What is true is what the store holds. Files are fetched when they are asked for, one by one, and checked;
the folder may be deleted whenever no run uses it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ccps.core.disk import Entries, pretty
from ccps.core.keys import INPUTS, MANIFEST, shard_name
from ccps.core.remote_reading import ReadableRemoteArtifact, mark_of
from ccps.core.shard_costs import ACCOUNT

_SHARD = re.compile(r"\d{5,}")


class RemoteArtifact(ReadableRemoteArtifact):
    """An artifact in an object store; it is `Artifact` to everybody who uses it."""

    @contextmanager
    def writing(self, *, waits: bool = False) -> Iterator[None]:
        """Make ready to fill it; nothing is held, and nobody is hindered."""
        with super().writing(waits=waits):
            self.objects.put(self.folder / INPUTS, self._name(INPUTS))
            self._list()
            self._settle()
            yield

    @contextmanager
    def shard(self, index: int) -> Iterator[Path]:
        """Give a folder to write one shard into, which is put when the block ends without an error."""
        self.folder.mkdir(parents=True, exist_ok=True)  # another machine's process may have begun
        with super().shard(index) as folder:
            yield folder
        self._push(index)

    def discard(self, shards: Iterable[int]) -> None:
        """Take away shards that are to be written anew, marks first."""
        for index in list(shards):
            files = [f"{shard_name(index)}/{name}" for name in self._marked(index)]
            self.objects.remove(map(self._name, [mark_of(index), *files]))
            self._drop(index)
            (self.folder / mark_of(index)).unlink(missing_ok=True)
            self.known.whole.discard(index)
            self.known.checked.discard(index)

    def check_shards(self, n_shards: int) -> None:
        """Make sure that all shards are there; what this machine holds of them is dropped if it has changed.

        Raises:
            UserError: a shard is missing.
        """
        if missing := self.missing(range(n_shards)) or self._check(range(n_shards)):
            raise self.broken(shard_name(missing[0]), "is missing")
        for index in range(n_shards):
            self._drop_if_other(index, self._marked(index))

    def finish(self, n_shards: int, summary: Mapping[str, Any]) -> None:
        """Put the manifest over all shards, with what they have cost all processes."""
        if missing := self.missing(range(n_shards)) or self._check(range(n_shards)):
            raise self.broken(shard_name(missing[0]), "is missing")
        own = f"costs.{self.own}.jsonl"
        costs = [name for name in self.objects.names(self._name("")) if re.fullmatch(r"costs\..*\.jsonl", name)]
        others = [name for name in costs if name not in (own, ACCOUNT)]
        # Beside what a process of this machine may be adding to.
        self.objects.get([(self._name(name), self.folder / f"costs.of.{name}") for name in others])
        super().finish(n_shards, summary)

    def _entries(self, index: int) -> Entries:
        return self._marked(index)

    def _seal(self, manifest: str) -> None:
        self.objects.put(self.folder / ACCOUNT, self._name(ACCOUNT))
        self.objects.write(self._name(MANIFEST), manifest.encode())
        super()._seal(manifest)
        self.known.complete = True

    def _settle(self) -> None:
        """Put what this machine holds whole and the store does not: the process that made it was stopped in between."""
        held = [int(path.name) for path in self.folder.iterdir() if _SHARD.fullmatch(path.name)]
        for index in self.missing(held):
            if super()._entries(index) in [json.loads(path.read_text()) for path in self._all_sums(index)]:
                self._push(index)
            else:
                self._drop(index)

    def _push(self, index: int) -> None:
        """Put a shard that lies here, unless another one is there."""
        if self._check([index]):
            entries = super()._entries(index)
            for name in entries:
                self.objects.put(self._place(index) / name, self._name(f"{shard_name(index)}/{name}"))
            if (costs := self.folder / f"costs.{self.own}.jsonl").exists():
                self.objects.put(costs, self._name(costs.name))
            mark = pretty(entries)
            self.objects.write(self._name(mark_of(index)), mark.encode())
            self._put(mark_of(index), mark)
            self.known.whole.add(index)
            self.known.checked.add(index)
        self.known.listed = float("-inf")
