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
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.disk import Entries, hash_file, pretty
from ccps.core.errors import UserError
from ccps.core.keys import INPUTS, MANIFEST, shard_name
from ccps.core.objects import ObjectStore
from ccps.core.shard_costs import ACCOUNT

if TYPE_CHECKING:
    import pyarrow as pa

_MARK = re.compile(r"\.(\d{5,})\.json")
_SHARD = re.compile(r"\d{5,}")
_STALE_S = 5.0
"""For so long it is not asked again whether something is there by now; for 20 times as long as a listing has taken."""


@dataclass
class _Known:
    """What a process knows of an artifact in the store.

    Attributes:
        complete: whether the manifest is there.
        asked: when this was asked.
        whole: shards whose marks are there.
        checked: those of them whose marks have been read; what this machine holds of these is theirs.
        listed: until when a listing counts.
    """

    complete: bool = False
    asked: float = float("-inf")
    whole: set[int] = field(default_factory=set)
    checked: set[int] = field(default_factory=set)
    listed: float = float("-inf")


@dataclass(frozen=True)
class RemoteArtifact(Artifact):
    """An artifact in an object store; it is `Artifact` to everybody who uses it.

    Attributes:
        objects: the store.
        known: what this process knows of it.
    """

    objects: ObjectStore = field(kw_only=True, compare=False)
    known: _Known = field(kw_only=True, default_factory=_Known, compare=False, repr=False)

    @classmethod
    def within(
        cls, objects: ObjectStore, root: Path, stage: str, inputs: Mapping[str, Any], own: str
    ) -> "RemoteArtifact":
        """Name the artifact of a stage and its inputs in a store, whether it exists or not.

        Args:
            objects: the store.
            root: folder of this machine that holds what is in use.
            stage: name of the stage.
            inputs: see `Artifact.at`.
            own: name of this process; every process that fills an artifact in a store has one.
        """
        plain = Artifact.at(root, stage, inputs, own)
        return cls(plain.folder, plain.stage, plain.inputs, plain.own, objects=objects)

    @property
    def complete(self) -> bool:
        """Whether the manifest has been put."""
        if not self.known.complete and time.monotonic() >= self.known.asked + _STALE_S:
            self._look()
        return self.known.complete

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest, which another process may have put just now."""
        if not self.known.complete:
            self._look()
        return super().manifest

    def has_shard(self, index: int) -> bool:
        """Whether a shard has been put."""
        return index in self.known.whole or self._check([index]) == []

    def missing(self, shards: Iterable[int]) -> list[int]:
        """Those of some shards that have not been put, in their order."""
        unknown = [index for index in shards if index not in self.known.whole]
        if unknown and time.monotonic() >= self.known.listed:
            self._list()
        return [index for index in unknown if index not in self.known.whole]

    def shard_folder(self, index: int) -> Path:
        """Where the files of a shard lie, all of them fetched."""
        names = self.files(index) if self.complete else list(self._marked(index))
        self._fetch([(index, name) for name in names])
        return super().shard_folder(index)

    def written(self, name: str, shards: Iterable[int]) -> list[Path]:
        """Where a file of some shards lies, fetched where there is one."""
        wanted = list(shards)
        self._fetch([(index, name) for index in wanted])
        return super().written(name, wanted)

    def path(self, name: str, shard: int = 0) -> Path:
        """Path of a file of a complete artifact, fetched, its size and hash checked."""
        _ = self.manifest  # what this machine holds of another making goes first
        self._fetch([(shard, name)])
        return super().path(name, shard)

    def rows(self, shard: int | None = None) -> "pa.Table":
        """Rows of one shard, or of all shards in order, fetched several at a time."""
        _ = self.manifest
        self._fetch([(index, ROWS) for index in (range(self.n_shards) if shard is None else [shard])])
        return super().rows(shard)

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
            self.objects.remove(map(self._name, [_mark(index), *files]))
            self._drop(index)
            (self.folder / _mark(index)).unlink(missing_ok=True)
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

    def broken(self, file: str, why: str) -> UserError:
        """The error that says what of it is broken, here or in the store, and the way out."""
        return UserError(
            f"The artifact {self.objects.url}/{self._name('')} is broken: {file} {why}. If what this machine holds of "
            f"it is at fault, `rm -r '{self.folder}'` is enough. Else remove it from the store too, and run the same "
            "command again: only this is computed anew."
        )

    def _name(self, file: str) -> str:
        return f"{self.stage}/{self.key}/{file}".rstrip("/")

    def _look(self) -> None:
        """See whether the manifest is there; what this machine holds of another making goes."""
        self.known.asked = time.monotonic()
        found = self.objects.read([self._name(MANIFEST)]).get(self._name(MANIFEST))
        if found is None:
            return
        held = self.folder / MANIFEST
        if not held.exists() or held.read_bytes() != found:
            if held.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
            self.objects.get([(self._name(name), self.folder / name) for name in (INPUTS, ACCOUNT)])
            self._put(MANIFEST, found.decode(errors="replace"))
        self.known.complete = True

    def _list(self) -> None:
        """Learn which shards have been put."""
        started = time.monotonic()
        names = self.objects.names(self._name(""))
        self.known.whole |= {int(found[1]) for name in names if (found := _MARK.fullmatch(name))}
        now = time.monotonic()
        self.known.listed = now + max(_STALE_S, 20 * (now - started))

    def _check(self, shards: Iterable[int]) -> list[int]:
        """Read the marks of some shards; those that have none."""
        names = {self._name(_mark(index)): index for index in shards if index not in self.known.checked}
        found = self.objects.read(names)
        for name, text in found.items():
            self._learn(names[name], text)
        return [index for name, index in names.items() if name not in found]

    def _learn(self, index: int, mark: bytes) -> None:
        """Take in the mark of a shard."""
        self.folder.mkdir(parents=True, exist_ok=True)
        held = self.folder / _mark(index)
        if not held.exists() or held.read_bytes() != mark:
            try:
                entries = json.loads(mark)
            except ValueError as error:
                raise self.broken(held.name, f"cannot be read ({error})") from error
            self._drop_if_other(index, entries)
            self._put(held.name, mark.decode())
        self.known.whole.add(index)
        self.known.checked.add(index)

    def _marked(self, index: int) -> Entries:
        """Size and hash of every file of a shard, as its mark says; empty where there is none."""
        if index not in self.known.checked and self._check([index]):
            return {}
        entries: Entries = json.loads((self.folder / _mark(index)).read_text(encoding="utf-8"))
        return entries

    def _entry(self, index: int, name: str) -> dict[str, Any] | None:
        if self.known.complete:
            found: dict[str, Any] | None = self.manifest["files"].get(f"{shard_name(index)}/{name}")
            return found
        return self._marked(index).get(name)

    def _drop_if_other(self, index: int, entries: Entries) -> None:
        """Forget the files that this machine holds of a shard if one is not what the mark says."""
        if any(entries.get(name) != entry for name, entry in super()._entries(index).items()):
            self._drop(index)

    def _drop(self, index: int) -> None:
        shutil.rmtree(self._place(index), ignore_errors=True)

    def _fetch(self, wanted: Sequence[tuple[int, str]]) -> None:
        """Have files lie where they belong that this machine does not hold yet, each checked; what is none is left."""
        lacking = [(index, name) for index, name in wanted if not (self._place(index) / name).exists()]
        if lacking and not self.complete:
            self._check({index for index, _ in lacking})
        entries = {f"{shard_name(index)}/{name}": self._entry(index, name) for index, name in lacking}
        named = {name: entry for name, entry in entries.items() if entry is not None}
        if not named:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetched-", dir=self.folder) as folder:
            partial = {name: Path(folder, str(number)) for number, name in enumerate(named)}
            self.objects.get([(self._name(name), path) for name, path in partial.items()])
            for name, entry in named.items():
                if not partial[name].exists():
                    raise self.broken(name, "is missing")
                if partial[name].stat().st_size != entry["bytes"] or hash_file(partial[name]) != entry["blake2b"]:
                    raise self.broken(name, "is not what was written (size or hash differ)")
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                partial[name].rename(self.folder / name)

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
            self.objects.write(self._name(_mark(index)), mark.encode())
            self._put(_mark(index), mark)
            self.known.whole.add(index)
            self.known.checked.add(index)
        self.known.listed = float("-inf")


def _mark(index: int) -> str:
    return f".{shard_name(index)}.json"
