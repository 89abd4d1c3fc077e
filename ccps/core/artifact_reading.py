"""An artifact as its readers have it: its name, what its manifest says, and files that are what was written."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Self

from ccps.core.disk import files_below, hash_file
from ccps.core.errors import UserError
from ccps.core.keys import LOCK, MANIFEST, PARTIAL, SUM, digest, shard_name
from ccps.core.reasons import BY_REASON, figures_of, renewed
from ccps.core.shard_costs import ACCOUNT, SEALED, noted_costs, sealed_costs


@dataclass(frozen=True)
class ReadableArtifact:
    """The result of one stage for one set of inputs, to name and to read.

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
    def at(cls, root: Path, stage: str, inputs: Mapping[str, Any], own: str = "") -> Self:
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
        return (self.folder / MANIFEST).exists()

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest of a complete artifact.

        Raises:
            UserError: it is not there or not readable.
        """
        try:
            manifest: dict[str, Any] = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
            # Manifests of earlier versions have no sum of their own.
            whole = manifest.pop(SUM, None)
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
            raise self.broken("manifest.json", f"cannot be read ({type(error).__name__}: {error})") from error
        if not well_formed:
            raise self.broken("manifest.json", "holds values of another type than expected")
        if not is_whole:
            raise self.broken("manifest.json", "is not what was written (its hash differs)")
        manifest["summary"] = renewed(manifest["summary"])
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
        return figures_of(self.summary)

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

    def _all_written(self, name: str) -> list[Path]:
        return self.written(name, takewhile(self.has_shard, count()))

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
            raise self.broken(relative, "is not in the manifest")
        try:
            is_whole = path.stat().st_size == entry["bytes"] and hash_file(path) == entry["blake2b"]
        except FileNotFoundError as error:
            raise self.broken(relative, "is missing") from error
        except OSError as error:
            raise self.broken(relative, f"cannot be read ({error.strerror})") from error
        if not is_whole:
            raise self.broken(relative, "is not what was written (size or hash differ)")
        return path

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
            for path in files_below(self.folder)
            if path.name != LOCK and not any(part.endswith(PARTIAL) for part in path.relative_to(self.folder).parts)
        }

    def costs(self) -> list[dict[str, float]]:
        """What each shard cost, in the order in which each process wrote them; of one made twice, what it cost once.

        Raises:
            UserError: of a complete artifact, they are not what was written.
        """
        if not (self.complete and self.manifest.get(SEALED)):
            return noted_costs(self.folder)
        costs = sealed_costs(self.folder)
        if costs is None:
            raise self.broken(ACCOUNT, "is not what was written (its hash differs)")
        return costs

    def broken(self, file: str, why: str) -> UserError:
        """The error that says what of it is broken, and the way out."""
        return UserError(
            f"The artifact {self.folder} is broken: {file} {why}. "
            f"Remove the folder (rm -r '{self.folder}') and run the same command again: only this is computed anew."
        )

    def _place(self, index: int) -> Path:
        return self.folder / shard_name(index)


def _with_keys(value: Any) -> Any:
    """A JSON-like value with the key of each artifact in its place."""
    if isinstance(value, ReadableArtifact):
        return value.key
    if isinstance(value, Mapping):
        return {name: _with_keys(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_keys(one) for one in value]
    return value
