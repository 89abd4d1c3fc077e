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

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from ccps.core.console import say
from ccps.core.errors import UserError

# What takes a second and more to import is imported where it is used: whoever asks what is stored waits for none of it.
if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

ROWS = "rows.parquet"
TENSORS = "tensors.safetensors"
BY_REASON = "by_reason"
"""Where a summary holds what is counted by reason: {"unknown": {"no accepted answer": 2}}."""

_LOCK = ".lock"
_PARTIAL = ".partial"
_SHARED = "shared-"
"""Begins the names of those who write without a lock: what is theirs nobody else takes away while they may live."""
_ACCOUNT = "costs.0.jsonl"
_REMOVED = ".removed"
_KEY = re.compile(r"[0-9a-f]{16}")
_MANIFEST = "manifest.json"
_INPUTS = "inputs.json"
_SUM = "blake2b"
"""Where a manifest holds the hash of all else that stands in it, and the last line of costs that of all others."""
_SEALED = "costs_sealed"
"""Says in a manifest that there is such a line; those of earlier versions have none."""

# What only another disk, more room or other rights can mend.
_DISK_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EMFILE,
    errno.ENFILE,
    errno.ESTALE,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
)
# By these a disk says that it knows no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def digest(value: Any) -> str:
    """Hash any JSON-like value, independent of the order of keys: 16 hexadecimal digits."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


def own_name(who: str) -> str:
    """A name for one of several processes that fill artifacts without a lock; no other has it, on any machine."""
    return f"{_SHARED}{who}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Artifact:
    """The result of one stage for one set of inputs.

    Attributes:
        folder: `<root>/<stage>/<key>`.
        stage: name of the stage.
        inputs: everything that determines the content, as JSON-like values.
        own: name of this process among several that fill it without a lock, see `own_name`; empty for one that holds it
            for writing.
    """

    folder: Path
    stage: str
    inputs: Mapping[str, Any]
    own: str = field(default="", compare=False)

    @classmethod
    def at(cls, root: Path, stage: str, inputs: Mapping[str, Any], own: str = "") -> "Artifact":
        """Name the artifact of a stage and its inputs under a root folder, whether it exists or not.

        Other artifacts among the inputs stand for their keys.
        """
        plain = {name: _with_keys(value) for name, value in inputs.items()}
        return cls(root / stage / digest({"stage": stage, **plain}), stage, plain, own)

    @property
    def key(self) -> str:
        """The hash of the inputs."""
        return self.folder.name

    @property
    def complete(self) -> bool:
        """Whether the manifest has been written."""
        return (self.folder / _MANIFEST).exists()

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest of a complete artifact.

        Raises:
            UserError: it is not there or not readable.
        """
        try:
            manifest: dict[str, Any] = json.loads((self.folder / _MANIFEST).read_text(encoding="utf-8"))
            # Manifests of earlier versions have no sum of their own.
            whole = manifest.pop(_SUM, None)
            is_whole = whole is None or whole == digest(manifest)
            well_formed = (
                isinstance(manifest["shards"], int)
                and isinstance(manifest["summary"], dict)
                and all(
                    isinstance(entry["bytes"], int) and isinstance(entry["blake2b"], str)
                    for entry in manifest["files"].values()
                )
            )
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise self._broken("manifest.json", f"cannot be read ({type(error).__name__}: {error})") from error
        if not well_formed:
            raise self._broken("manifest.json", "holds values of another type than expected")
        if not is_whole:
            raise self._broken("manifest.json", "is not what was written (its hash differs)")
        manifest["summary"] = _renewed(manifest["summary"])
        return manifest

    @property
    def summary(self) -> dict[str, Any]:
        """What the stage said of the whole when it finished: counts, and what was rejected and why."""
        return dict(self.manifest["summary"])

    def reasons(self, what: str) -> dict[str, int]:
        """How many of something there were for each reason; empty if none was counted."""
        return dict(self.summary.get(BY_REASON, {}).get(what, {}))

    @property
    def figures(self) -> dict[str, Any]:
        """The summary as readers see it, in which each reason has a name of its own: "unknown (no accepted answer)"."""
        figures = self.summary
        for what, by_reason in figures.pop(BY_REASON, {}).items():
            figures |= {f"{what} ({reason})": number for reason, number in by_reason.items()}
        return dict(sorted(figures.items()))

    @property
    def n_bytes(self) -> int:
        """Size of the content of a complete artifact."""
        return sum(entry["bytes"] for entry in self.manifest["files"].values())

    @property
    def n_shards(self) -> int:
        """How many shards a complete artifact has."""
        return int(self.manifest["shards"])

    def has_shard(self, index: int) -> bool:
        """Whether a shard has been written."""
        return self._place(index).is_dir()

    def missing(self, shards: Iterable[int]) -> list[int]:
        """Those of some shards that have not been written, in their order."""
        return [index for index in shards if not self.has_shard(index)]

    def shard_folder(self, index: int) -> Path:
        """Where the files of a shard lie once it has been written; what is in them is not checked, see `path`."""
        return self._place(index)

    def written(self, name: str, shards: Iterable[int]) -> list[Path]:
        """Where a file of some shards lies once they have been written; what is in it is not checked, see `path`."""
        return [self._place(index) / name for index in shards]

    def written_rows(self, columns: Sequence[str] | None = None) -> "pa.Table":
        """Rows of all shards written so far, in order; of an artifact that has no manifest yet."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pa.concat_tables([pq.read_table(path, columns=columns) for path in self._all_written(ROWS)])

    def n_written_rows(self) -> int:
        """How many rows all shards written so far have together, without reading them."""
        import pyarrow.parquet as pq

        return sum(pq.read_metadata(path).num_rows for path in self._all_written(ROWS))

    def _all_written(self, name: str) -> list[Path]:
        return self.written(name, takewhile(self.has_shard, count()))

    @contextmanager
    def writing(self, *, waits: bool = False) -> Iterator[None]:
        """Hold the artifact for writing; one of several that fill it holds nothing and hinders nobody.

        On a disk that knows no locks nothing is held either: two that write the same then do the work twice.

        Args:
            waits: whether to wait until no other process is writing it, with a word; it may be complete by then.

        Raises:
            UserError: another process is writing it and this one does not wait; or the disk is full or not writable.
        """
        with _disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.own:
                self._put(_INPUTS, _pretty(self.inputs))
            else:
                (self.folder / _LOCK).touch()
        if self.own:
            yield
            return
        with (self.folder / _LOCK).open("a+") as lock:
            with _disk_errors(self.folder):
                self._take(lock, waits=waits)
                (self.folder / _INPUTS).write_text(_pretty(self.inputs), encoding="utf-8")
                for left_over in self.folder.glob(f".*{_PARTIAL}"):
                    if not _is_shared(left_over):
                        _remove(left_over)
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
        with _disk_errors(self.folder):
            partial.mkdir()
            try:
                yield partial
                for path in (partial, *partial.rglob("*")):
                    _sync(path)
                # Others may be about to check the shard.
                self._put(self._sums(index).name, _pretty(_entries(partial, partial)))
                partial.rename(self._place(index))
            except BaseException as error:
                shutil.rmtree(partial, ignore_errors=True)
                # Whoever completes an artifact takes the half shards away, and a rename onto a shard fails.
                if not (isinstance(error, OSError | SafetensorError) and self.has_shard(index)):
                    raise
            _sync(self.folder)

    def discard(self, shards: Iterable[int]) -> None:
        """Take away shards that are to be written anew, with what they cost; while the artifact is held for writing.

        Raises:
            UserError: the disk is not writable.
        """
        with _disk_errors(self.folder):
            for index in shards:
                partial = self.folder / f".{shard_name(index)}{_PARTIAL}"  # which goes, should this be broken off
                self._place(index).rename(partial)
                shutil.rmtree(partial)
            self._forget_costs()

    def add_cost(self, shard: int, *, by: int = 0, **cost: float) -> None:
        """Note what a shard cost one of the processes of a run, for the cost table.

        To be called while the shard is being written: then each that is there has its cost, whenever a run is killed.
        """
        self._append_cost(by, {"shard": shard, **cost})

    def costs(self) -> list[dict[str, float]]:
        """What each shard cost, in the order in which each process wrote them; of one made twice, what it cost once.

        Raises:
            UserError: of a complete artifact, they are not what was written.
        """
        lines = [line for file in self._cost_files() for line in _whole_lines(file)]
        if not (self.complete and self.manifest.get(_SEALED)):
            return _one_for_each_shard(lines)
        account = self.folder / _ACCOUNT
        # The account is whole in its file; that of earlier versions had one part in the file of each process.
        for account_lines in (_whole_lines(account) if account.exists() else [], lines):
            costs = _one_for_each_shard(account_lines)
            if {_SUM: digest(json.dumps(costs))} in account_lines:
                return costs
        raise self._broken(_ACCOUNT, "is not what was written (its hash differs)")

    def finish(self, n_shards: int, summary: Mapping[str, Any]) -> None:
        """Write the manifest over all shards, which marks the artifact complete.

        Raises:
            UserError: a shard is missing, or the disk is full or not writable.
        """
        files: dict[str, dict[str, int | str]] = {}
        for index in range(n_shards):
            if not self.has_shard(index):
                raise self._broken(shard_name(index), "is missing")
            files |= {f"{shard_name(index)}/{name}": entry for name, entry in self._entries(index).items()}
        manifest = {
            "stage": self.stage,
            "key": self.key,
            "shards": n_shards,
            "files": files,
            "summary": dict(summary),
            _SEALED: True,
        }
        with _disk_errors(self.folder):
            costs = self.costs()
            # Whole at once: who is still busy with a shard that is there may add to a file of its own, and to no sum.
            self._put(_ACCOUNT, _in_lines([*costs, {_SUM: digest(json.dumps(costs))}]))
            for left_over in self.folder.glob(f".*{_PARTIAL}"):
                if _is_shared(left_over):
                    _remove(left_over)  # all shards are there: nobody needs a half one any more
            plain = json.loads(_pretty(manifest))
            self._seal(_pretty({**plain, _SUM: digest(plain)}))

    def check_shards(self, n_shards: int) -> None:
        """Make sure that all shards are there and hold what was written, perhaps by an earlier run.

        Raises:
            UserError: a shard is missing or its files have changed.
        """
        for index in range(n_shards):
            name = shard_name(index)
            if not self.has_shard(index):
                raise self._broken(name, "is missing")
            try:
                written = [json.loads(path.read_text(encoding="utf-8")) for path in self._all_sums(index)]
            except (OSError, ValueError) as error:
                raise self._broken(self._sums(index).name, f"cannot be read ({error})") from error
            try:
                there = self._entries(index)
            except OSError as error:
                raise self._broken(name, f"cannot be read ({error})") from error
            if there not in written:
                raise self._broken(name, "is not what was written (a size or hash differs)")

    def files(self, shard: int = 0) -> list[str]:
        """Names of the files of one shard of a complete artifact, those in folders with their path within the shard."""
        start = f"{shard_name(shard)}/"
        return [name.removeprefix(start) for name in self.manifest["files"] if name.startswith(start)]

    def path(self, name: str, shard: int = 0) -> Path:
        """Path of a file of a complete artifact, its size and hash checked.

        Raises:
            UserError: the file is missing or not what the manifest says.
        """
        relative = f"{shard_name(shard)}/{name}"
        entry = self.manifest["files"].get(relative)
        path = self.folder / relative
        if entry is None:
            raise self._broken(relative, "is not in the manifest")
        try:
            is_whole = path.stat().st_size == entry["bytes"] and hash_file(path) == entry["blake2b"]
        except FileNotFoundError as error:
            raise self._broken(relative, "is missing") from error
        except OSError as error:
            raise self._broken(relative, f"cannot be read ({error.strerror})") from error
        if not is_whole:
            raise self._broken(relative, "is not what was written (size or hash differ)")
        return path

    def rows(self, shard: int | None = None) -> "pa.Table":
        """Rows of one shard, or of all shards in order."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        shards = range(self.n_shards) if shard is None else [shard]
        try:
            return pa.concat_tables([pq.read_table(self.path(ROWS, index)) for index in shards])
        except pa.ArrowException as error:
            raise self._broken(ROWS, f"cannot be read ({error})") from error

    def tensors(self, shard: int) -> "dict[str, Tensor]":
        """Tensors of one shard."""
        from safetensors.torch import load_file

        try:
            return dict(load_file(self.path(TENSORS, shard)))
        except SafetensorError as error:
            raise self._broken(TENSORS, f"cannot be read ({error})") from error

    def has(self, name: str) -> bool:
        """Whether the first shard of a complete artifact has a file of this name."""
        return f"{shard_name(0)}/{name}" in self.manifest["files"]

    def has_written(self, name: str, blake2b: str) -> bool:
        """Whether the first shard of a complete artifact has a file of this name and hash."""
        return self.has(name) and bool(self.manifest["files"][f"{shard_name(0)}/{name}"]["blake2b"] == blake2b)

    def files_on_disk(self) -> dict[str, Path]:
        """Every file that makes up the artifact, complete or not, by its path within: no lock, nothing half written."""
        return {
            str(path.relative_to(self.folder)): path
            for path in _files_below(self.folder)
            if path.name != _LOCK and not any(part.endswith(_PARTIAL) for part in path.relative_to(self.folder).parts)
        }

    def remove(self) -> None:
        """Delete the artifact, at once or not at all as far as any reader can see.

        Raises:
            UserError: a process is writing it, or the folder may not be written.
        """
        gone = self.folder.with_name(f".{self.key}{_REMOVED}")
        with _disk_errors(self.folder), (self.folder / _LOCK).open("a+") as lock:
            self._take(lock)
            shutil.rmtree(gone, ignore_errors=True)
            self.folder.rename(gone)
            shutil.rmtree(gone)

    def _cost_files(self) -> list[Path]:
        return sorted(self.folder.glob("costs*.jsonl"))

    def _append_cost(self, by: int, line: Mapping[str, Any]) -> None:
        with _disk_errors(self.folder), (self.folder / f"costs.{self.own or by}.jsonl").open("a") as file:
            # A line of its own even after one that a killed process tore.
            file.write("\n" + json.dumps(line))

    def _forget_costs(self) -> None:
        """Take away what a killed process has noted of a shard that it did not finish, and of the whole."""
        for file in self._cost_files():
            if _is_shared(file):
                continue
            lines = _whole_lines(file)
            kept = [line for line in lines if isinstance(line.get("shard"), int) and self.has_shard(line["shard"])]
            if kept != lines:
                self._put(file.name, _in_lines(kept))

    def _put(self, name: str, text: str, *, synced: bool = False) -> None:
        """Have a file hold a text, whole or not at all."""
        partial = self.folder / f".{Path(name).stem}{self._unfinished}"
        while True:
            try:
                partial.write_text(text, encoding="utf-8")
                if synced:
                    _sync(partial)
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
        return f".{self.own}{_PARTIAL}" if self.own else _PARTIAL

    def _place(self, index: int) -> Path:
        return self.folder / shard_name(index)

    def _entries(self, index: int) -> dict[str, dict[str, int | str]]:
        """Size and hash of every file of a shard that has been written."""
        return _entries(self._place(index), self._place(index))

    def _seal(self, manifest: str) -> None:
        """Write the manifest."""
        self._put(_MANIFEST, manifest, synced=True)
        _sync(self.folder)

    def _sums(self, index: int) -> Path:
        """Where the sizes and hashes of a shard's files are kept until the manifest holds them."""
        return self.folder / (f".{shard_name(index)}.{self.own}.json" if self.own else f".{shard_name(index)}.json")

    def _all_sums(self, index: int) -> list[Path]:
        """The same, by everybody who has made the shard: two machines may round otherwise, and the first one stays."""
        shared = sorted(self.folder.glob(f".{shard_name(index)}.{_SHARED}*.json"))
        alone = self.folder / f".{shard_name(index)}.json"
        return [alone, *shared] if alone.exists() else shared or [alone]

    def _take(self, lock: Any, *, waits: bool = False) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return
            if not isinstance(error, BlockingIOError):
                raise
            lock.seek(0)
            writer = f"pid {lock.read().strip() or 'unknown'}"
            if not waits:
                raise UserError(
                    f"Another process ({writer}) is writing {self.folder}. Wait until it has ended and run this again, "
                    "let this run wait for it (paths.when_held=wait), or give this run other settings."
                ) from error
            say(self.stage, self.key, f"{writer} is writing it", state="waits for another process")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()

    def _broken(self, file: str, why: str) -> UserError:
        return UserError(
            f"The artifact {self.folder} is broken: {file} {why}. "
            f"Remove the folder (rm -r '{self.folder}') and run the same command again: only this is computed anew."
        )


def stored_artifacts(root: Path) -> Iterator[Artifact]:
    """Every artifact below a root folder, complete or not, by stage and key.

    Raises:
        UserError: the inputs of one cannot be read.
    """
    for folder in sorted(root.glob("[!.]*/*")):
        if is_key(folder.name) and folder.is_dir():
            yield read_artifact(folder)


def left_overs(root: Path) -> list[Path]:
    """Folders of artifacts whose removal was broken off."""
    return [path for path in sorted(root.glob(f"[!.]*/.*{_REMOVED}")) if is_key(path.stem.removeprefix("."))]


def is_key(text: str) -> bool:
    """Whether a text can be the key of an artifact."""
    return _KEY.fullmatch(text) is not None


def read_artifact(folder: Path) -> Artifact:
    """The artifact that lies in a folder, with the inputs that were written into it.

    Raises:
        UserError: these cannot be read.
    """
    inputs: Any = {}
    path = folder / "inputs.json"
    if path.exists():
        try:
            inputs = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise Artifact(folder, folder.parent.name, {})._broken(path.name, f"cannot be read ({error})") from error
    return Artifact(folder, folder.parent.name, inputs if isinstance(inputs, dict) else {})


def with_reasons(counts: Mapping[str, Any]) -> dict[str, Any]:
    """A summary out of numbers, words, and mappings from reasons to numbers, which go to where `reasons` finds them."""
    by_reason = {name: dict(value) for name, value in counts.items() if isinstance(value, Mapping) and value}
    plain = {name: value for name, value in counts.items() if not isinstance(value, Mapping)}
    return {**plain, BY_REASON: by_reason} if by_reason else plain


def _renewed(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary as it is written now: what is read back by reason once stood in names of its own."""
    old = {name: found for name in summary if (found := re.fullmatch(r"(unknown|not scored|dropped) \((.+)\)", name))}
    by_reason: dict[str, dict[str, int]] = summary.get(BY_REASON, {})
    for name, found in old.items():
        by_reason.setdefault(found[1], {})[found[2]] = summary[name]
    plain = {name: value for name, value in summary.items() if name not in old}
    return {**plain, BY_REASON: by_reason} if by_reason else plain


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


def _with_keys(value: Any) -> Any:
    """A JSON-like value with the key of each artifact in its place."""
    if isinstance(value, Artifact):
        return value.key
    if isinstance(value, Mapping):
        return {name: _with_keys(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_keys(one) for one in value]
    return value


def _whole_lines(file: Path) -> list[dict[str, Any]]:
    """The lines of costs but those that a killed process tore."""
    lines: list[dict[str, Any]] = []
    for text in file.read_bytes().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines


def _one_for_each_shard(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first line of costs of each shard: a shard may have been made twice, and stands there once."""
    found: dict[Any, dict[str, Any]] = {}
    for line in lines:
        if "shard" in line:
            found.setdefault(line["shard"], line)
    return list(found.values())


def _in_lines(values: Iterable[Mapping[str, Any]]) -> str:
    return "".join("\n" + json.dumps(value) for value in values)


def _is_shared(path: Path) -> bool:
    """Whether a file or folder belongs to one of several that write without a lock, and who may be alive."""
    return f".{_SHARED}" in path.name


def _remove(path: Path) -> None:
    """Take away a file or folder; whoever wrote it may just have done so."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def shard_name(index: int) -> str:
    """Of its folder within an artifact."""
    return f"{index:05d}"


def _entries(folder: Path, root: Path) -> dict[str, dict[str, int | str]]:
    """Size and hash of every file below a folder, by its path from a root."""
    return {
        str(path.relative_to(root)): {"bytes": path.stat().st_size, "blake2b": hash_file(path)}
        for path in _files_below(folder)
    }


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sync(path: Path) -> None:
    """Wait until the content of a file, or the entries of a folder, would outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)


def hash_file(path: Path) -> str:
    """Hash the content of a file: blake2b, 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _pretty(value: Any) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one clear message; whole shards stay where they are."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = _error_number(error)
        if number not in _DISK_ERRORS:
            raise
        raise UserError(
            f"Cannot write to {folder}: {os.strerror(number)}. Free some space or set paths.artifacts to another disk, "
            "and run the same command again: the shards written so far are kept."
        ) from error


def _error_number(error: OSError | SafetensorError) -> int:
    """The system's number of an error, 0 if unknown; safetensors gives it in its text alone."""
    if isinstance(error, OSError):
        return error.errno or 0
    match = re.search(r"\(os error (\d+)\)", str(error))
    return int(match[1]) if match else 0
