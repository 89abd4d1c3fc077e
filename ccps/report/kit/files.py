"""The files of a report: the same data give the same bytes on every system."""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

# What a spreadsheet takes for a formula, in half and full width, behind any number of apostrophes: so that one more or
# one less is always told apart.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\x00\uff1d\uff0b\uff0d\uff20]")


def new_folders(folder: Path) -> tuple[Path, Path]:
    """Make the folders for tables and figures; files that are there stay."""
    places = folder / "tables", folder / "figures"
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    return places


def write_text(path: Path, text: str) -> Path:
    """Write text as it stands."""
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file that is no text."""
    path.write_bytes(content)
    return path


def write_csv(table: pd.DataFrame, path: Path) -> Path:
    """Write a table, missing values empty.

    A text that a spreadsheet would run as a formula (it begins with =, +, -, @ or a control character) stands behind an
    apostrophe, which `read_csv` takes away again.
    """
    safe = table.rename(columns=_harmless)
    texts = _texts(safe)
    for column in texts:
        safe[column] = safe[column].map(_harmless, na_action="ignore")
    # A carriage return within a text ends the row for readers of CSV unless the text is quoted.
    returns = any(safe[column].map(_has_return).any() for column in texts)
    safe.to_csv(path, index=False, lineterminator="\n", quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL)
    return path


def read_csv(path: Path, **options: Any) -> pd.DataFrame:
    """Read a table that `write_csv` wrote, every text as it was.

    Args:
        path: the file.
        options: of `pandas.read_csv`.
    """
    table = pd.read_csv(path, **options).rename(columns=_as_it_was)
    for column in _texts(table):
        table[column] = table[column].map(_as_it_was, na_action="ignore")
    return table


def _texts(table: pd.DataFrame) -> list[str]:
    """The columns that may hold texts."""
    return [
        name
        for name, kind in table.dtypes.items()
        if pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind)
    ]


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _as_it_was(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value.startswith("'") and _FORMULA.match(value) else value


def _has_return(value: Any) -> bool:
    return isinstance(value, str) and "\r" in value


def write_run(run: Mapping[str, Any], path: Path) -> Path:
    """Write the record of a run as JSON."""
    return write_text(path, json.dumps(run, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_costs(costs: pd.DataFrame, path: Path) -> Path:
    """Write stage, seconds, tokens, bytes, peak_memory (bytes) of every stage, and whether it was there (`reused`)."""
    columns = ["stage", "seconds", "tokens", "bytes", "peak_memory", "reused"]
    table = costs.loc[:, [name for name in columns if name in costs]].copy()
    for column in ("tokens", "bytes", "peak_memory"):
        table[column] = pd.to_numeric(table[column]).round().astype("Int64")
    return write_csv(table, path)
