"""Content-addressed folders: what a stage has computed, found again by everything that determined it.

    artifacts/<stage>/<key>/
        inputs.json       everything the key was made of, to read
        00000/ 00001/ …   shards; each appears whole, by a rename, or not at all
        .00000.json …     sizes and hashes of a shard's files, so that a resumed run can check it
        costs.0.jsonl …   seconds and tokens of each shard, by process (not part of the content); at last their hash
        manifest.json     written last: its presence means complete; sizes and hashes of every file, and its own hash

A stage that is killed leaves whole shards behind and goes on from there when the same command is run again.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

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
_REMOVED = ".removed"
_KEY = re.compile(r"[0-9a-f]{16}")
_SUM = "blake2b"
"""Where a manifest holds the hash of all else that stands in it, and the last line of costs that of all others."""
_SEALED = "costs_sealed"
"""Says in a manifest that there is such a line; those of earlier versions have none."""

# What only another disk, more room or other rights can mend; the last three mean that the disk knows no locks.
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
    errno.ENOLCK,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
)


def digest(value: Any) -> str:
    """Hash any JSON-like value, independent of the order of keys: 16 hexadecimal digits."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Artifact:
    """The result of one stage for one set of inputs.

    Attributes:
        folder: `<root>/<stage>/<key>`.
        stage: name of the stage.
        inputs: everything that determines the content, as JSON-like values.
    """

    folder: Path
    stage: str
    inputs: Mapping[str, Any]

    @classmethod
    def at(cls, root: Path, stage: str, inputs: Mapping[str, Any]) -> "Artifact":
        """Name the artifact of a stage and its inputs under a root folder, whether it exists or not.

        Other artifacts among the inputs stand for their keys.
        """
        plain = {name: _with_keys(value) for name, value in inputs.items()}
        return cls(root / stage / digest({"stage": stage, **plain}), stage, plain)

    @property
    def key(self) -> str:
        """The hash of the inputs."""
        return self.folder.name

    @property
    def complete(self) -> bool:
        """Whether the manifest has been written."""
        return (self.folder / "manifest.json").exists()

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest of a complete artifact.

        Raises:
            UserError: it is not there or not readable.
        """
        try:
            manifest: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
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
        return self.shard_folder(index).is_dir()

    def shard_folder(self, index: int) -> Path:
        """Where the files of a shard lie once it has been written; what is in them is not checked, see `path`."""
        return self.folder / _shard_name(index)

    def written_rows(self, columns: Sequence[str] | None = None) -> "pa.Table":
        """Rows of all shards written so far, in order; of an artifact that has no manifest yet."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pa.concat_tables([pq.read_table(path, columns=columns) for path in self._written(ROWS)])

    def n_written_rows(self) -> int:
        """How many rows all shards written so far have together, without reading them."""
        import pyarrow.parquet as pq

        return sum(pq.read_metadata(path).num_rows for path in self._written(ROWS))

    def _written(self, name: str) -> Iterator[Path]:
        return (self.shard_folder(index) / name for index in takewhile(self.has_shard, count()))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the artifact for writing.

        Raises:
            UserError: another process is writing it, or the disk is full or not writable.
        """
        with _disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / _LOCK).touch()
        with (self.folder / _LOCK).open("a+") as lock:
            with _disk_errors(self.folder):
                self._take(lock)
                (self.folder / "inputs.json").write_text(_pretty(self.inputs), encoding="utf-8")
                for left_over in self.folder.glob(f".*{_PARTIAL}"):
                    if left_over.is_dir():
                        shutil.rmtree(left_over)
                    else:
                        left_over.unlink()
                self._forget_costs()
            yield

    @contextmanager
    def shard(self, index: int) -> Iterator[Path]:
        """Give a folder to write one shard into; it takes its place when the block ends without an error.

        Raises:
            UserError: the disk is full or not writable.
        """
        partial = self.folder / f".{_shard_name(index)}{_PARTIAL}"
        with _disk_errors(self.folder):
            partial.mkdir()
            try:
                yield partial
                for path in (partial, *partial.rglob("*")):
                    _sync(path)
                self._sums(index).write_text(_pretty(_entries(partial, partial)), encoding="utf-8")
                partial.rename(self.shard_folder(index))
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            _sync(self.folder)

    def discard(self, shards: Iterable[int]) -> None:
        """Take away shards that are to be written anew, with what they cost; while the artifact is held for writing.

        Raises:
            UserError: the disk is not writable.
        """
        with _disk_errors(self.folder):
            for index in shards:
                partial = self.folder / f".{_shard_name(index)}{_PARTIAL}"  # which goes, should this be broken off
                self.shard_folder(index).rename(partial)
                shutil.rmtree(partial)
            self._forget_costs()

    def add_cost(self, shard: int, *, by: int = 0, **cost: float) -> None:
        """Note what a shard cost one of the processes of a run, for the cost table.

        To be called while the shard is being written: then each that is there has its cost, whenever a run is killed.
        """
        self._append_cost(by, {"shard": shard, **cost})

    def costs(self) -> list[dict[str, float]]:
        """What each shard cost, in the order in which each process wrote them.

        Raises:
            UserError: of a complete artifact, they are not what was written.
        """
        lines = [line for file in self._cost_files() for line in _whole_lines(file)]
        costs = [line for line in lines if "shard" in line]
        if self.complete and self.manifest.get(_SEALED) and {_SUM: digest(json.dumps(costs))} not in lines:
            raise self._broken("costs.0.jsonl", "is not what was written (its hash differs)")
        return costs

    def finish(self, n_shards: int, summary: Mapping[str, Any]) -> None:
        """Write the manifest over all shards, which marks the artifact complete.

        Raises:
            UserError: a shard is missing, or the disk is full or not writable.
        """
        files: dict[str, dict[str, int | str]] = {}
        for index in range(n_shards):
            if not self.has_shard(index):
                raise self._broken(self.shard_folder(index).name, "is missing")
            files |= _entries(self.shard_folder(index), self.folder)
        manifest = {
            "stage": self.stage,
            "key": self.key,
            "shards": n_shards,
            "files": files,
            "summary": dict(summary),
            _SEALED: True,
        }
        self._append_cost(0, {_SUM: digest(json.dumps(self.costs()))})
        with _disk_errors(self.folder):
            partial = self.folder / f".manifest{_PARTIAL}"
            plain = json.loads(_pretty(manifest))
            partial.write_text(_pretty({**plain, _SUM: digest(plain)}))
            _sync(partial)
            partial.rename(self.folder / "manifest.json")
            _sync(self.folder)

    def check_shards(self, n_shards: int) -> None:
        """Make sure that all shards are there and hold what was written, perhaps by an earlier run.

        Raises:
            UserError: a shard is missing or its files have changed.
        """
        for index in range(n_shards):
            name = self.shard_folder(index).name
            if not self.has_shard(index):
                raise self._broken(name, "is missing")
            try:
                written = json.loads(self._sums(index).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise self._broken(self._sums(index).name, f"cannot be read ({error})") from error
            try:
                there = _entries(self.shard_folder(index), self.shard_folder(index))
            except OSError as error:
                raise self._broken(name, f"cannot be read ({error})") from error
            if written != there:
                raise self._broken(name, "is not what was written (a size or hash differs)")

    def files(self, shard: int = 0) -> list[str]:
        """Names of the files of one shard of a complete artifact, those in folders with their path within the shard."""
        start = f"{_shard_name(shard)}/"
        return [name.removeprefix(start) for name in self.manifest["files"] if name.startswith(start)]

    def path(self, name: str, shard: int = 0) -> Path:
        """Path of a file of a complete artifact, its size and hash checked.

        Raises:
            UserError: the file is missing or not what the manifest says.
        """
        relative = f"{_shard_name(shard)}/{name}"
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
        return f"{_shard_name(0)}/{name}" in self.manifest["files"]

    def has_written(self, name: str, blake2b: str) -> bool:
        """Whether the first shard of a complete artifact has a file of this name and hash."""
        return self.has(name) and bool(self.manifest["files"][f"{_shard_name(0)}/{name}"]["blake2b"] == blake2b)

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
        with _disk_errors(self.folder), (self.folder / f"costs.{by}.jsonl").open("a") as file:
            # A line of its own even after one that a killed process tore.
            file.write("\n" + json.dumps(line))

    def _forget_costs(self) -> None:
        """Take away what a killed process has noted of a shard that it did not finish, and of the whole."""
        for file in self._cost_files():
            lines = _whole_lines(file)
            kept = [line for line in lines if isinstance(line.get("shard"), int) and self.has_shard(line["shard"])]
            if kept != lines:
                partial = self.folder / f".{file.name}{_PARTIAL}"
                partial.write_text("".join("\n" + json.dumps(line) for line in kept))
                partial.rename(file)

    def _sums(self, index: int) -> Path:
        """Where the sizes and hashes of a shard's files are kept until the manifest holds them."""
        return self.folder / f".{_shard_name(index)}.json"

    def _take(self, lock: Any) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise UserError(
                f"Another process (pid {lock.read().strip() or 'unknown'}) is writing {self.folder}. "
                "Wait until it has ended and run this again, or give this run other settings."
            ) from error
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


def _shard_name(index: int) -> str:
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
