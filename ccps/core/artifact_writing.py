"""An artifact as those fill it who compute it: shard by shard, each whole or not there, the manifest last."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ccps.core.artifact_reading import ReadableArtifact
from ccps.core.console import say
from ccps.core.disk import Entries, disk_errors, entries_of, pretty, remove, sync
from ccps.core.keys import INPUTS, LOCK, MANIFEST, PARTIAL, REMOVED, SHARED, SUM, digest, is_shared, shard_name
from ccps.core.lock import take_lock
from ccps.core.shard_costs import ACCOUNT, SEALED, cost_files, in_lines, note_cost, sealed, whole_lines


class WritableArtifact(ReadableArtifact):
    """The result of one stage for one set of inputs, to fill and to delete."""

    @contextmanager
    def writing(self, *, waits: bool = False) -> Iterator[None]:
        """Hold the artifact for writing; one of several that fill it holds nothing and hinders nobody.

        On a disk that knows no locks nothing is held either: two that write the same then do the work twice.

        Args:
            waits: whether to wait until no other process is writing it, with a word; it may be complete by then.

        Raises:
            UserError: another process is writing it and this one does not wait; or the disk is full or not writable.
        """
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.own:
                self._put(INPUTS, pretty(self.inputs))
            else:
                (self.folder / LOCK).touch()
        if self.own:
            yield
            return
        with (self.folder / LOCK).open("a+") as lock:
            with disk_errors(self.folder):
                take_lock(lock, self.folder, self._say_waits if waits else None)
                (self.folder / INPUTS).write_text(pretty(self.inputs), encoding="utf-8")
                for left_over in self.folder.glob(f".*{PARTIAL}"):
                    if not is_shared(left_over):
                        remove(left_over)
                self._forget_costs()
            yield

    @contextmanager
    def shard(self, index: int) -> Iterator[Path]:
        """Give a folder to write one shard into; it takes its place when the block ends without an error.

        If another process has made the shard meanwhile, that one stays.

        Raises:
            UserError: the disk is full or not writable.
        """
        partial = self.folder / f".{shard_name(index)}{self._unfinished}"
        with disk_errors(self.folder):
            partial.mkdir()
            try:
                yield partial
                for path in (partial, *partial.rglob("*")):
                    sync(path)
                # Others may be about to check the shard.
                self._put(self._sums(index).name, pretty(entries_of(partial)))
                partial.rename(self._place(index))
            except BaseException as error:
                shutil.rmtree(partial, ignore_errors=True)
                # Whoever completes an artifact takes the half shards away, and a rename onto a shard fails.
                if not (isinstance(error, OSError | SafetensorError) and self.has_shard(index)):
                    raise
            sync(self.folder)

    def discard(self, shards: Iterable[int]) -> None:
        """Take away shards that are to be written anew, with what they cost; while the artifact is held for writing.

        Raises:
            UserError: the disk is not writable.
        """
        with disk_errors(self.folder):
            for index in shards:
                partial = self.folder / f".{shard_name(index)}{PARTIAL}"  # which goes, should this be broken off
                self._place(index).rename(partial)
                shutil.rmtree(partial)
            self._forget_costs()

    def add_cost(self, shard: int, *, by: int = 0, **cost: float) -> None:
        """Note what a shard cost one of the processes of a run, for the cost table.

        To be called while the shard is being written: then each that is there has its cost, whenever a run is killed.
        """
        with disk_errors(self.folder):
            note_cost(self.folder / f"costs.{self.own or by}.jsonl", {"shard": shard, **cost})

    def finish(self, n_shards: int, summary: Mapping[str, Any]) -> None:
        """Write the manifest over all shards, which marks the artifact complete.

        Raises:
            UserError: a shard is missing, or the disk is full or not writable.
        """
        files: Entries = {}
        for index in range(n_shards):
            if not self.has_shard(index):
                raise self.broken(shard_name(index), "is missing")
            files |= {f"{shard_name(index)}/{name}": entry for name, entry in self._entries(index).items()}
        manifest = {
            "stage": self.stage,
            "key": self.key,
            "shards": n_shards,
            "files": files,
            "summary": dict(summary),
            SEALED: True,
        }
        with disk_errors(self.folder):
            # Whole at once: who is still busy with a shard that is there may add to a file of its own, and to no sum.
            self._put(ACCOUNT, sealed(self.costs()))
            for left_over in self.folder.glob(f".*{PARTIAL}"):
                if is_shared(left_over):
                    remove(left_over)  # all shards are there: nobody needs a half one any more
            plain = json.loads(pretty(manifest))
            self._seal(pretty({**plain, SUM: digest(plain)}))

    def check_shards(self, n_shards: int) -> None:
        """Make sure that all shards are there and hold what was written, perhaps by an earlier run.

        Raises:
            UserError: a shard is missing or its files have changed.
        """
        for index in range(n_shards):
            name = shard_name(index)
            if not self.has_shard(index):
                raise self.broken(name, "is missing")
            try:
                written = [json.loads(path.read_text(encoding="utf-8")) for path in self._all_sums(index)]
            except (OSError, ValueError) as error:
                raise self.broken(self._sums(index).name, f"cannot be read ({error})") from error
            try:
                there = self._entries(index)
            except OSError as error:
                raise self.broken(name, f"cannot be read ({error})") from error
            if there not in written:
                raise self.broken(name, "is not what was written (a size or hash differs)")

    def remove(self) -> None:
        """Delete the artifact, at once or not at all as far as any reader can see.

        Raises:
            UserError: a process is writing it, or the folder may not be written.
        """
        gone = self.folder.with_name(f".{self.key}{REMOVED}")
        with disk_errors(self.folder), (self.folder / LOCK).open("a+") as lock:
            take_lock(lock, self.folder)
            shutil.rmtree(gone, ignore_errors=True)
            self.folder.rename(gone)
            shutil.rmtree(gone)

    def _say_waits(self, writer: str) -> None:
        say(self.stage, self.key, f"{writer} is writing it", state="waits for another process")

    def _forget_costs(self) -> None:
        """Take away what a killed process has noted of a shard that it did not finish, and of the whole."""
        for file in cost_files(self.folder):
            if is_shared(file):
                continue
            lines = whole_lines(file)
            kept = [line for line in lines if isinstance(line.get("shard"), int) and self.has_shard(line["shard"])]
            if kept != lines:
                self._put(file.name, in_lines(kept))

    def _put(self, name: str, text: str, *, synced: bool = False) -> None:
        """Have a file hold a text, whole or not at all."""
        partial = self.folder / f".{Path(name).stem}{self._unfinished}"
        while True:
            try:
                partial.write_text(text, encoding="utf-8")
                if synced:
                    sync(partial)
                partial.rename(self.folder / name)
            except FileNotFoundError:
                # Another who completes the artifact has taken it for left over, which each of them does once.
                if not (self.own and self.folder.is_dir()):
                    raise
            else:
                return

    @property
    def _unfinished(self) -> str:
        """How the names of files and folders end that this process has not finished."""
        return f".{self.own}{PARTIAL}" if self.own else PARTIAL

    def _entries(self, index: int) -> Entries:
        """Size and hash of every file of a shard that has been written."""
        return entries_of(self._place(index))

    def _seal(self, manifest: str) -> None:
        """Write the manifest."""
        self._put(MANIFEST, manifest, synced=True)
        sync(self.folder)

    def _sums(self, index: int) -> Path:
        """Where the sizes and hashes of a shard's files are kept until the manifest holds them."""
        return self.folder / (f".{shard_name(index)}.{self.own}.json" if self.own else f".{shard_name(index)}.json")

    def _all_sums(self, index: int) -> list[Path]:
        """The same, by everybody who has made the shard: two machines may round otherwise, and the first one stays."""
        shared = sorted(self.folder.glob(f".{shard_name(index)}.{SHARED}*.json"))
        alone = self.folder / f".{shard_name(index)}.json"
        return [alone, *shared] if alone.exists() else shared or [alone]
