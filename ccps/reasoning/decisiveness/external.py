"""Decisiveness of steps from a file."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ccps.core.disk import hash_file
from ccps.core.errors import UserError, expected
from ccps.core.settings import Fault, fault
from ccps.faithful import Mode
from ccps.faithful.modes import read_scores
from ccps.reasoning.decisiveness.base import (
    DecisivenessScorer,
    Opening,
    PlaceNames,
    StepDecisiveness,
    StepText,
    register,
)
from ccps.settings.faithful.decisiveness import DecisivenessConfig

COLUMNS = ("trace_id", "step", "decisiveness")
PLACE_COLUMNS = ("model", "dataset", "prompt")
NOT_GIVEN = "no score in the file"


@register
class ExternalScorer(DecisivenessScorer):
    """Looks scores up in a file, see `read_external`.

    Args:
        path: the file.
        mode: what may stand in it.
        place: names of model, dataset and prompt; of a file that names places the rows of this one count.

    Raises:
        UserError: the file cannot be read, or holds what is no score.
    """

    name = "external"
    settings = frozenset({"path"})

    def __init__(self, path: Path | str, mode: Mode, place: PlaceNames | None = None) -> None:
        self._scores = read_external(path, mode=mode, place=place)

    @classmethod
    def faults(cls, config: DecisivenessConfig) -> Iterator[Fault]:
        """No file."""
        if not config.path:
            way_out = "name a csv, jsonl or parquet file with columns trace_id, step, decisiveness"
            yield fault("path", "the path of a file of scores", "nothing", way_out)

    @classmethod
    def check_places(cls, config: DecisivenessConfig, places: int) -> None:
        """Of several runs the file must say whose each score is."""
        if places > 1 and not names_places(config.path or ""):
            raise expected(
                f"the scores of {config.path}",
                f"with columns model, dataset and prompt, as there are {places} runs",
                "without",
                "Add them, or score one run at a time.",
            )

    @classmethod
    def inputs(cls, config: DecisivenessConfig, place: PlaceNames | None) -> dict[str, Any]:
        """The content of the file, and whose scores are wanted."""
        return {"content": file_hash(config.path or ""), "place": place and list(place)}

    @classmethod
    def open(cls, opening: Opening) -> "ExternalScorer":
        """Read the file."""
        return cls(opening.config.path or "", opening.mode, opening.place)

    def unused(self, steps: Iterable[tuple[str, int]]) -> int:
        """How many rows of the file, of this place, are for none of these steps."""
        return len(self._scores.keys() - set(steps))

    def score(self, steps: Sequence[StepText]) -> list[StepDecisiveness]:
        """Look steps up by trace and place; their words do not matter."""
        values = [self._scores.get((step.trace_id, step.step), math.nan) for step in steps]
        return [StepDecisiveness(value, NOT_GIVEN if math.isnan(value) else "") for value in values]


def read_external(
    path: Path | str, *, mode: Mode = "strict", place: PlaceNames | None = None
) -> dict[tuple[str, int], float]:
    """Read scores in [0, 1] by trace and number of the step.

    Args:
        path: a .csv, .jsonl or .parquet file with columns `trace_id`, `step` (from 0) and `decisiveness`, and either
            all of `PLACE_COLUMNS` or none; others do not matter. A score may be missing (nothing, null or NaN).
        mode: `strict` refuses scores outside [0, 1]; `parity` takes −1 for missing, and others as they are.
        place: whose scores are wanted; rows of other places are left out. Rows of a file that names no places hold for
            every place, and without a place all rows are taken.

    Returns:
        The scores, NaN where one is missing.

    Raises:
        UserError: the file cannot be read, lacks a column, holds something else than scores, or two for one step.
    """
    file = Path(path)
    frame = _read(file)
    if lacking := [name for name in COLUMNS if name not in frame]:
        way_out = f"Columns are {', '.join(COLUMNS)}, a row for each step."
        raise expected(str(file), f"a table with a column {lacking[0]}", f"columns {', '.join(frame)}", way_out)
    try:
        numbers = pd.to_numeric(frame["decisiveness"]).to_numpy(np.float64)
        scores = read_scores(numbers, "decisiveness", mode)
    except (ValueError, TypeError) as error:
        raise UserError(f"{file}: {error}") from error
    wanted = _wanted(frame, file, place)
    keys = list(compress(zip(_names(frame, "trace_id", file), _steps(frame, file), strict=True), wanted))
    (name, step), count = Counter(keys).most_common(1)[0] if keys else (("", 0), 1)
    if count > 1:
        got = f"{count} for step {step} of trace {name}"
        way_out = f"Keep one of them, or say in columns {', '.join(PLACE_COLUMNS)} which run each is for."
        raise expected(str(file), "a table with one score for each step", got, way_out)
    return dict(zip(keys, compress(scores.tolist(), wanted), strict=True))


def names_places(path: Path | str) -> bool:
    """Whether a file of scores says of each which model, dataset and prompt condition it is for.

    Raises:
        UserError: it cannot be read, or has some of the columns `PLACE_COLUMNS` and not the others.
    """
    return _names_places(_read(Path(path)), Path(path))


def file_hash(path: Path | str) -> str:
    """Name of a file's content.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return hash_file(Path(path))
    except OSError as error:
        raise _unreadable(Path(path), error) from error


def _read(file: Path) -> pd.DataFrame:
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": pd.read_parquet}
    if file.suffix not in readers:
        raise expected(f"`{file}`", "a .csv, .jsonl or .parquet file", f"`{file.name}`", "Convert or rename it.")
    try:
        return readers[file.suffix](file)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(file, error) from error


def _read_csv(file: Path) -> pd.DataFrame:
    # A trace may be called "007" or "NA".
    missing = {"decisiveness": ["", "nan", "NaN", "null", "None"]}
    names = dict.fromkeys(("trace_id", *PLACE_COLUMNS), str)
    return pd.read_csv(file, dtype=names, keep_default_na=False, na_values=missing)


def _read_jsonl(file: Path) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no JSON object")
        rows.append(row)
    return pd.DataFrame(rows)


def _names_places(frame: pd.DataFrame, file: Path) -> bool:
    found = [name for name in PLACE_COLUMNS if name in frame]
    if found and len(found) < len(PLACE_COLUMNS):
        wanted = f"a table with all or none of the columns {', '.join(PLACE_COLUMNS)}"
        raise expected(str(file), wanted, f"only {', '.join(found)}", "Add the others, or remove or rename these.")
    return bool(found)


def _wanted(frame: pd.DataFrame, file: Path, place: PlaceNames | None) -> list[bool]:
    """Of each row whether it is for a place."""
    if not _names_places(frame, file):
        return [True] * len(frame)
    rows = zip(*(_names(frame, column, file) for column in PLACE_COLUMNS), strict=True)
    return [place is None or row == place for row in rows]


def _names(frame: pd.DataFrame, column: str, file: Path) -> list[str]:
    if frame[column].isna().any():
        row = int(frame[column].isna().to_numpy().argmax())
        raise expected(str(file), f"a table with a {column} in every row", f"none in row {row}", "Fill it in.")
    return [str(name) for name in frame[column]]


def _steps(frame: pd.DataFrame, file: Path) -> list[int]:
    steps = pd.to_numeric(frame["step"], errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~((steps >= 0) & (steps % 1 == 0)))
    if len(bad):
        got = f"{frame['step'].iloc[bad[0]]!r} in row {bad[0]}"
        raise expected(str(file), "a table with whole numbers from 0 in its column step", got, "Correct the file.")
    return [int(step) for step in steps]


def _unreadable(file: Path, error: Exception) -> UserError:
    return expected(
        f"`{file}`", "a file of scores that can be read", f"“{error}”", "Set faithful.decisiveness.path to one."
    )
