"""A run in one file: its output folder and all artifacts behind it, each file with its hash, for another machine.

    bundle.json              name of the run, its record, and size and hash of every other member; comes first
    artifacts/<stage>/<key>/ as they lie in the folder of artifacts
    output/                  the output folder

What is read from such a file is checked before anything of it is put in its place: a bundle may come from anywhere.
"""

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from ccps.core.artifacts import Artifact
from ccps.core.disk import hash_file
from ccps.core.errors import UserError, expected
from ccps.core.holdings import Output, Store
from ccps.core.keys import digest, is_key
from ccps.core.listing import read_artifact
from ccps.core.run_record import RunRecord
from ccps.core.settings import is_name

INDEX = "bundle.json"
_FORMAT = 1
_CHUNK = 1 << 20
_LARGEST_INDEX = 256 << 20
_WAY_OUT = "Export the run once more, and copy the file whole."


class Bundled(NamedTuple):
    """What a bundle holds, or what was taken from it.

    Attributes:
        name: of the run.
        artifacts: "stage/key" of each.
        n_bytes: of all files.
        present: those of the artifacts that were there already.
        output: where the output folder is; None where the run has none yet.
    """

    name: str
    artifacts: list[str]
    n_bytes: int
    present: list[str]
    output: Path | None


def export_run(store: Store, run: Output, target: Path) -> Bundled:
    """Write a run into a new tar file.

    Args:
        store: where it is.
        run: one of it.
        target: must not exist.

    Raises:
        UserError: the file exists or cannot be written, or there is nothing to write.
    """
    if target.exists():
        raise expected(f"`{target}`", "a new file", "one that is there", "Choose another name, or delete it.")
    keys = sorted(run.used | run.needed)
    if not keys and not run.has_report:
        raise expected(f"the run `{run.name}`", "one with artifacts", "none", "Run it again, or choose another.")
    name = run.folder.name if Path(run.name).is_absolute() else run.name
    artifacts = [store.artifacts[key] for key in keys]
    files = {
        f"artifacts/{one.stage}/{one.key}/{within}": path
        for one in artifacts
        for within, path in one.files_on_disk().items()
    }
    if run.has_report:
        paths = (path for path in sorted(run.folder.rglob("*")) if path.is_file())
        files |= {f"output/{path.relative_to(run.folder).as_posix()}": path for path in paths}
    entries = {member: _entry(path) for member, path in files.items()}
    names = [f"{one.stage}/{one.key}" for one in artifacts]
    index = {
        "format_version": _FORMAT,
        "name": name,
        "has_output": run.has_report,
        "record": _record(run),
        "artifacts": names,
        "files": entries,
    }
    partial = target.with_name(f".{target.name}.partial")
    try:
        with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT, dereference=True) as tar:
            _add(tar, INDEX, json.dumps(index).encode())
            for member, path in files.items():
                tar.add(path, member, recursive=False)
        partial.rename(target)
    except OSError as error:
        raise UserError(f"Cannot write {target}: {error.strerror}. Free some space or choose another place.") from error
    finally:
        partial.unlink(missing_ok=True)
    n_bytes = sum(int(one["bytes"]) for one in entries.values())
    return Bundled(name, names, n_bytes, [], run.folder if run.has_report else None)


def import_run(source: Path, root: Path, outputs: Path) -> Bundled:
    """Put what a bundle holds in its place.

    Artifacts that are there already stay as they are. Nothing is written beside the two folders, and nothing appears in
    them before all of the bundle has been read and checked.

    Args:
        source: the bundle.
        root: folder of artifacts, made where it is missing.
        outputs: folder of outputs.

    Raises:
        UserError: it is no bundle, is damaged, or holds what could land elsewhere; the output is there already, or the
            disk is full.
    """
    try:
        with tarfile.open(source, "r:") as tar:
            index = _index(tar, source)
            target = outputs / index["name"]
            if index["has_output"] and target.exists():
                way_out = "Move or delete it, or choose another folder: --outputs."
                raise expected(f"`{target}`", "free for the run", "a folder that is there", way_out)
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".import-", dir=root) as place:
                _extract(tar, index["files"], Path(place), source)
                return _put(index, Path(place), root, target)
    except tarfile.TarError as error:
        raise expected(f"`{source}`", "a bundle of `ccps export`", str(error), _WAY_OUT) from error
    except OSError as error:
        raise UserError(f"Cannot import {source}: {error}. Mend that and run the same command again.") from error


def _record(run: Output) -> dict[str, Any] | None:
    record = run.record
    if record is None:
        return None
    return {name: getattr(record, name) for name in ("experiment", "settings", "artifacts", "ended")}


def _entry(path: Path) -> dict[str, int | str]:
    return {"bytes": path.stat().st_size, "blake2b": hash_file(path)}


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _index(tar: tarfile.TarFile, source: Path) -> dict[str, Any]:
    """The first member, whose values are of the right kind and name no place beside the folders."""
    first = tar.next()
    if first is None or first.name != INDEX or not first.isreg() or first.size > _LARGEST_INDEX:
        got = "an empty file" if first is None else f"`{first.name}`"
        raise expected(f"the first member of {source}", f"`{INDEX}`", got, _WAY_OUT)
    try:
        index = json.loads(_opened(tar, first).read())
        is_known = index["format_version"] == _FORMAT
        record = index["record"]
        well_formed = (
            is_known
            and isinstance(index["has_output"], bool)
            and (record is None or _is_record(record))
            and all(
                isinstance(one["bytes"], int) and isinstance(one["blake2b"], str) for one in index["files"].values()
            )
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise expected(f"`{INDEX}` in {source}", "readable", f"{type(error).__name__}: {error}", _WAY_OUT) from error
    if not well_formed:
        raise expected(f"`{INDEX}` in {source}", f"of format {_FORMAT}", "another one", _WAY_OUT)
    stages = [_stage_and_key(name) for name in index["artifacts"]]
    if not _is_below(index["name"]) or None in stages:
        raise _unsafe(source, index["name"] if None not in stages else "the name of an artifact")
    for name in index["files"]:
        if not _is_below(name) or not _belongs(name, index["artifacts"]):
            raise _unsafe(source, name)
    return dict(index)


def _is_record(record: Mapping[str, Any]) -> bool:
    return (
        set(record) == {"experiment", "settings", "artifacts", "ended"}
        and isinstance(record["experiment"], str)
        and isinstance(record["settings"], dict)
        and isinstance(record["ended"], bool)
        and all(_stage_and_key(name) for name in record["artifacts"])
    )


def _stage_and_key(name: object) -> tuple[str, str] | None:
    """Parts of an artifact's name; None if it is none."""
    stage, _, key = name.partition("/") if isinstance(name, str) else ("", "", "")
    return (stage, key) if is_key(key) and is_name(stage) and not stage.startswith(".") else None


def _is_below(name: object) -> bool:
    """Whether a path stays within the folder it is put into."""
    if not isinstance(name, str) or "\\" in name or "\0" in name:
        return False
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and PurePosixPath(name).as_posix() == name


def _belongs(name: str, artifacts: list[str]) -> bool:
    first, _, rest = name.partition("/")
    return first == "output" or (
        first == "artifacts" and "/".join(rest.split("/")[:2]) in artifacts and rest.count("/") > 1
    )


def _unsafe(source: Path, name: object) -> UserError:
    return expected(
        f"the members of {source}", "files of its output and its artifacts", repr(name), "Do not trust this file."
    )


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    assert file is not None  # of a regular file
    return file


def _extract(tar: tarfile.TarFile, files: Mapping[str, Any], place: Path, source: Path) -> None:
    """Write every member below a folder of our own, checked against the index; all of them must be there, once."""
    left = dict(files)
    while (member := tar.next()) is not None:
        entry = left.pop(member.name, None)
        if entry is None or not member.isreg():
            raise _unsafe(source, member.name)
        target = place / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        found = hashlib.blake2b(digest_size=16)
        with target.open("xb") as out, _opened(tar, member) as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
                out.write(chunk)
        if member.size != entry["bytes"] or found.hexdigest() != entry["blake2b"]:
            raise expected(f"`{member.name}` in {source}", "what was exported", "another size or hash", _WAY_OUT)
    if left:
        raise expected(f"{source}", "whole", f"no `{next(iter(left))}`", _WAY_OUT)


def _put(index: Mapping[str, Any], place: Path, root: Path, target: Path) -> Bundled:
    """Move what was extracted to where it belongs: artifacts that are not there, then the output, then the record."""
    new = [read_artifact(place / "artifacts" / name) for name in index["artifacts"]]
    for one in new:
        _check(one, index["files"])
    present = []
    for name, one in zip(index["artifacts"], new, strict=True):
        there = Artifact(root / name, one.stage, one.inputs)
        if there.folder.exists() and one.complete and not there.complete:
            there.remove()  # begun here, and ended elsewhere
        if there.folder.exists():
            present.append(name)
            continue
        there.folder.parent.mkdir(parents=True, exist_ok=True)
        one.folder.rename(there.folder)
    if index["has_output"]:
        beside = target.with_name(f".{target.name}.new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(place / "output", beside)
        beside.rename(target)
    if index["record"] is not None:
        RunRecord(target.absolute(), **index["record"]).write(root)
    n_bytes = sum(one["bytes"] for one in index["files"].values())
    return Bundled(index["name"], list(index["artifacts"]), n_bytes, present, target if index["has_output"] else None)


def _check(artifact: Artifact, files: Mapping[str, Any]) -> None:
    """Refuse an artifact whose key is not that of its inputs, or whose manifest speaks of other files.

    Raises:
        UserError: it is such.
    """
    name = f"{artifact.stage}/{artifact.key}"
    if digest({"stage": artifact.stage, **artifact.inputs}) != artifact.key:
        raise expected(f"the inputs of {name}", "those of its key", "others", "Do not trust this file.")
    if artifact.complete:
        bundled = {within: files.get(f"artifacts/{name}/{within}") for within in artifact.manifest["files"]}
        if bundled != artifact.manifest["files"]:
            raise expected(f"the files of {name}", "those of its manifest", "others", "Do not trust this file.")
