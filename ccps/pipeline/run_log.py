"""The record of a run, written as it goes on."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ccps.core.artifacts import Artifact
from ccps.core.run_record import RunRecord


class RunLog:
    """Says in a folder of artifacts what a run is to make, see `RunRecord`; for the first process alone.

    Args:
        root: folder of the artifacts.
        output: folder that the report goes to.
        experiment: name of the experiment.
        settings: of the run, as plain values.
        own: name of this process among several that share the run, see `own_name`; empty where it is the only one.
    """

    def __init__(self, root: Path, output: Path, experiment: str, settings: Mapping[str, Any], own: str = "") -> None:
        self._root = root
        self._own = own
        self._record = RunRecord(output.absolute(), experiment, settings, [])

    def plan(self, artifacts: Iterable[str]) -> None:
        """Note what is to be made or read, by stage and key, before any of it is; more may come.

        Raises:
            UserError: see `RunRecord.write`.
        """
        names = list(dict.fromkeys([*self._record.artifacts, *artifacts]))
        self._record = replace(self._record, artifacts=names)
        self._record.write(self._root, self._own)

    def end(self) -> None:
        """Note that the run has come to its end, if all that it was to make is there."""
        names = self._record.artifacts
        if names and all(Artifact(self._root / name, "", {}).complete for name in names):
            self._record = replace(self._record, ended=True)
            self._record.write(self._root, self._own)
