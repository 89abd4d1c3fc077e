"""What a run has set out to make, noted when it starts: so that what it still needs is known when it was killed."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccps.core.errors import UserError
from ccps.core.stored import read_json

FOLDER = ".runs"
_FORMAT = 1
_WAY_OUT = "Delete the file: the next run writes it anew."


@dataclass(frozen=True)
class RunRecord:
    """The last run of an output folder.

    Attributes:
        output: absolute path of the folder that its report goes to.
        experiment: name of the experiment.
        settings: of the run, as plain values.
        artifacts: all that it makes or reads, as "stage/key"; a run that decides on the way adds to them.
        ended: whether all of that was there when the run came to its end; a part of a run (`stages=[answer]`) has not
            ended in this sense.
    """

    output: Path
    experiment: str
    settings: Mapping[str, Any]
    artifacts: Sequence[str]
    ended: bool = False

    def path(self, root: Path) -> Path:
        """Where the record lies below a folder of artifacts."""
        name = hashlib.blake2b(os.fsencode(self.output), digest_size=8).hexdigest()
        return root / FOLDER / f"{name}.json"

    def write(self, root: Path, own: str = "") -> Path:
        """Write the record in the place of that of an earlier run into the same output.

        Args:
            root: folder of artifacts.
            own: name of this process, where several write the record of one run.

        Raises:
            UserError: the disk is full or not writable.
        """
        path = self.path(root)
        partial = path.with_name(f".{path.name}.{own}.partial" if own else f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not sorted: the order of graders and methods is part of what they say.
            text = json.dumps({"format_version": _FORMAT, **self._values()}, indent=1, allow_nan=False)
            partial.write_text(text + "\n", encoding="utf-8")
            partial.rename(path)
        except OSError as error:
            raise UserError(
                f"Cannot write to {path.parent}: {error.strerror}. Free some space or set paths.artifacts to another "
                "folder, and run the same command again."
            ) from error
        return path

    def _values(self) -> dict[str, Any]:
        return {
            "output": str(self.output),
            "experiment": self.experiment,
            "settings": dict(self.settings),
            "artifacts": list(self.artifacts),
            "ended": self.ended,
        }


def run_records(root: Path) -> Iterator[RunRecord]:
    """The records below a folder of artifacts, by output.

    Raises:
        UserError: one cannot be read.
    """
    keys = ("output", "experiment", "settings", "artifacts", "ended")
    for path in sorted((root / FOLDER).glob("[!.]*.json")):
        values = read_json(path, "the record of a run", _FORMAT, keys, _WAY_OUT)
        yield RunRecord(**{**values, "output": Path(values["output"])})
