"""An artifact of an object store as its readers have it: what is in the store, and what this machine holds of it."""

import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.disk import Entries, hash_file
from ccps.core.errors import UserError
from ccps.core.keys import INPUTS, MANIFEST, shard_name
from ccps.core.objects import ObjectStore
from ccps.core.shard_costs import ACCOUNT

if TYPE_CHECKING:
    import pyarrow as pa

_MARK = re.compile(r"\.(\d{5,})\.json")
_STALE_S = 5.0
"""For so long it is not asked again whether something is there by now; for 20 times as long as a listing has taken."""


@dataclass
class Known:
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
class ReadableRemoteArtifact(Artifact):
    """An artifact in an object store, to name and to read.

    Attributes:
        objects: the store.
        known: what this process knows of it.
    """

    objects: ObjectStore = field(kw_only=True, compare=False)
    known: Known = field(kw_only=True, default_factory=Known, compare=False, repr=False)

    @classmethod
    def within(cls, objects: ObjectStore, root: Path, stage: str, inputs: Mapping[str, Any], own: str) -> Self:
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
        names = {self._name(mark_of(index)): index for index in shards if index not in self.known.checked}
        found = self.objects.read(names)
        for name, text in found.items():
            self._learn(names[name], text)
        return [index for name, index in names.items() if name not in found]

    def _learn(self, index: int, mark: bytes) -> None:
        """Take in the mark of a shard."""
        self.folder.mkdir(parents=True, exist_ok=True)
        held = self.folder / mark_of(index)
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
        entries: Entries = json.loads((self.folder / mark_of(index)).read_text(encoding="utf-8"))
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


def mark_of(index: int) -> str:
    """What the mark of a shard is called, which says that it is whole."""
    return f".{shard_name(index)}.json"
