"""What lies in a folder of artifacts, which experiments it belongs to, and what nothing refers to any more.

An artifact is *used* where a report that is there was made of it, directly or by way of others; *unfinished* where a
run that has not come to its end needs it, or it is itself not complete; *stale* otherwise.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ccps.core.artifacts import Artifact
from ccps.core.disk import hash_file
from ccps.core.errors import expected
from ccps.core.keys import is_key
from ccps.core.listing import left_overs, stored_artifacts
from ccps.core.run_record import FOLDER, RunRecord, run_records
from ccps.core.settings import nearest

RUN = "run.json"
"""The file of an output folder that says what its report was made of."""
State = Literal["used", "unfinished", "stale"]


@dataclass(frozen=True)
class Holding:
    """An artifact as it lies there.

    Attributes:
        artifact: its folder, stage and inputs.
        complete: whether its manifest is there.
        n_bytes: of all its files.
        changed: when the last of them was written, in seconds since 1970.
        experiments: names of the output folders that it belongs to.
        state: see above.
    """

    artifact: Artifact
    complete: bool
    n_bytes: int
    changed: float
    experiments: tuple[str, ...]
    state: State

    @property
    def name(self) -> str:
        """Stage and key."""
        return f"{self.artifact.stage}/{self.artifact.key}"


@dataclass(frozen=True)
class Output:
    """A folder with a report, or one that a run is to make, or both.

    Attributes:
        name: its path below the folder of outputs, or the whole of it where it lies elsewhere.
        folder: where it is.
        used: keys of the artifacts that its report was made of; empty where there is none.
        needed: keys of those that its last run still needs; empty where it has come to its end.
        record: of its last run, if there is one.
    """

    name: str
    folder: Path
    used: frozenset[str]
    needed: frozenset[str]
    record: RunRecord | None

    @property
    def has_report(self) -> bool:
        """Whether a report is there."""
        return (self.folder / RUN).is_file()

    @property
    def finished(self) -> bool:
        """Whether its last run has come to its end."""
        return self.record is None or self.record.ended


@dataclass
class Store:
    """A folder of artifacts beside a folder of outputs.

    Args:
        root: of the artifacts.
        outputs: of the outputs; those that runs have put elsewhere are known from their records.
    """

    root: Path
    outputs: Path
    artifacts: dict[str, Artifact] = field(init=False)
    records: dict[Path, RunRecord] = field(init=False)

    def __post_init__(self) -> None:
        self.artifacts = {one.key: one for one in stored_artifacts(self.root)}
        self.records = {one.output: one for one in run_records(self.root)}

    @cached_property
    def runs(self) -> list[Output]:
        """Every output that there is, and every run that is to make one."""
        found = {path.parent.absolute() for path in self.outputs.rglob(RUN)}
        return [self._output(folder) for folder in sorted(found | set(self.records))]

    def run(self, name: str) -> Output:
        """The run of a name, or of the path of its output.

        Raises:
            UserError: there is none.
        """
        for run in self.runs:
            if name == run.name or Path(name).absolute() == run.folder:
                return run
        known = [run.name for run in self.runs]
        got = f"`{name}`" if not known else f"`{name}`; {nearest(name, known)}"
        way_out = f"Outputs are looked for in {self.outputs}, artifacts in {self.root}: --outputs and --artifacts."
        raise expected("the run", "one that is stored", got, way_out)

    @cached_property
    def holdings(self) -> list[Holding]:
        """Every artifact, by stage and key."""
        used = frozenset[str]().union(*(run.used for run in self.runs))
        # Somebody may want to go on with what is not complete, whoever began it.
        begun = self.closure(key for key, one in self.artifacts.items() if not one.complete)
        needed = begun.union(*(run.needed for run in self.runs))
        return [
            self._holding(artifact, "used" if key in used else "unfinished" if key in needed else "stale")
            for key, artifact in self.artifacts.items()
        ]

    def _holding(self, artifact: Artifact, state: State) -> Holding:
        files = [path.stat() for path in artifact.files_on_disk().values()]
        return Holding(
            artifact,
            artifact.complete,
            sum(file.st_size for file in files),
            max((file.st_mtime for file in files), default=artifact.folder.stat().st_mtime),
            tuple(run.name for run in self.runs if artifact.key in run.used | run.needed),
            state,
        )

    def others(self) -> dict[str, int]:
        """Bytes of what else lies below the folder, by name: replies of judges, files of W&B."""
        stages = {one.stage for one in self.artifacts.values()}
        left = {path.parent.name: 0 for path in left_overs(self.root)}
        names = [path.name for path in sorted(self.root.glob("*")) if path.name not in stages | set(left) | {FOLDER}]
        return {name: sum(_n_bytes(self.root / name)) for name in names}

    def closure(self, keys: Iterable[str]) -> frozenset[str]:
        """Keys of artifacts that are there, and of all that these were made of."""
        found, left = set[str](), list(keys)
        while left:
            key = left.pop()
            if key not in found and key in self.artifacts:
                found.add(key)
                left += self._reads[key]
        return frozenset(found)

    @cached_property
    def _reads(self) -> dict[str, list[str]]:
        return {key: list(_keys_in(artifact.inputs)) for key, artifact in self.artifacts.items()}

    def _output(self, folder: Path) -> Output:
        record, run = self.records.get(folder), folder / RUN
        used, needed = frozenset[str](), frozenset[str]()
        if run.is_file():
            reports = [key for key, one in self._reports.items() if one.has_written(RUN, hash_file(run))]
            used = self.closure([*reports, *_keys_in(_read(run))])
        if record is not None and not record.ended:
            needed = self.closure(_key(name) for name in record.artifacts)
        return Output(self._name(folder), folder, used, needed, record)

    @cached_property
    def _reports(self) -> dict[str, Artifact]:
        return {key: one for key, one in self.artifacts.items() if one.complete and one.has(RUN)}

    def _name(self, folder: Path) -> str:
        outputs = self.outputs.absolute()
        return folder.relative_to(outputs).as_posix() if folder.is_relative_to(outputs) else str(folder)


def _key(name: str) -> str:
    return name.rpartition("/")[2]


def _keys_in(value: Any) -> Iterator[str]:
    """Whatever in a JSON-like value looks like a key."""
    if isinstance(value, str):
        if is_key(value):
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _keys_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from _keys_in(one)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        way_out = "Run the experiment again, which writes it anew from what is stored, or delete it."
        raise expected(f"`{path}`", "the record of a report", str(error), way_out) from error


def _n_bytes(path: Path) -> Iterator[int]:
    files = path.rglob("*") if path.is_dir() else [path]
    return (file.stat().st_size for file in files if file.is_file() and not file.is_symlink())
