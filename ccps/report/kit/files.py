"""The files of a report: the same data give the same bytes on every system."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd


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
    """Write a table, missing values empty."""
    table.to_csv(path, index=False, lineterminator="\n")
    return path


def write_run(run: Mapping[str, Any], path: Path) -> Path:
    """Write the record of a run as JSON."""
    return write_text(path, json.dumps(run, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_costs(costs: pd.DataFrame, path: Path) -> Path:
    """Write stage, seconds, tokens, bytes and peak_memory (bytes) of every stage."""
    table = costs.loc[:, ["stage", "seconds", "tokens", "bytes", "peak_memory"]].copy()
    for column in ("tokens", "bytes", "peak_memory"):
        table[column] = pd.to_numeric(table[column]).round().astype("Int64")
    return write_csv(table, path)
