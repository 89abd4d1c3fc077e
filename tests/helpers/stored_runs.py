"""Artifacts and outputs of a run, made of a few words each."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccps.core.artifacts import Artifact
from ccps.core.run_record import RunRecord


def made(
    root: Path, stage: str, inputs: Mapping[str, Any], files: Mapping[str, str], *, complete: bool = True
) -> Artifact:
    artifact = Artifact.at(root, stage, inputs)
    with artifact.writing():
        with artifact.shard(0) as folder:
            for name, text in files.items():
                (folder / name).write_text(text)
        if complete:
            artifact.finish(1, {})
    return artifact


class StoredRun:
    """Answers, features made of them, a report made of these and put into an output folder."""

    def __init__(self, folder: Path, name: str, *, finished: bool = True) -> None:
        self.root, self.output = folder / "artifacts", folder / "outputs" / name
        self.answers = made(self.root, "answer", {"of": name}, {"rows.txt": name * 100})
        self.features = made(self.root, "extract", {"answers": self.answers}, {"rows.txt": "f"}, complete=finished)
        text = json.dumps({"config": {"experiment": name}, "input_hashes": {"artifacts": {"x": [self.features.key]}}})
        self.report = Artifact.at(self.root, "report", {"artifacts": [self.features]})
        if finished:
            made(self.root, "report", {"artifacts": [self.features]}, {"run.json": text})
            self.output.mkdir(parents=True)
            (self.output / "run.json").write_text(text)

    def record(self, *, ended: bool, settings: Mapping[str, Any] | None = None) -> RunRecord:
        names = [f"{one.stage}/{one.key}" for one in (self.answers, self.features, self.report)]
        record = RunRecord(self.output, self.output.name, settings or {"seeds": [1]}, names, ended)
        record.write(self.root)
        return record

    @staticmethod
    def name(artifact: Artifact) -> str:
        """Stage and key."""
        return f"{artifact.stage}/{artifact.key}"
