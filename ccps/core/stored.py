"""JSON files of our own, read back as strictly as they were written."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ccps.core.errors import expected


def write_json(path: Path, format_version: int, values: dict[str, Any]) -> None:
    """Write values and their format version; the same values give the same bytes.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot say.
    """
    text = json.dumps({"format_version": format_version, **values}, indent=2, sort_keys=True, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, what: str, format_version: int, keys: Collection[str], way_out: str) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Args:
        path: the file.
        what: what it should be, for messages.
        format_version: the only one that is read.
        keys: of the values.
        way_out: how to mend a file that is not as it should be.

    Raises:
        UserError: the file cannot be read, is of another format version, or holds other keys.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise expected(f"`{path}`", what, str(error), way_out) from error
    version = stored.get("format_version") if isinstance(stored, dict) else None
    if version != format_version:
        raise expected(f"`format_version` in {path}", str(format_version), version, way_out)
    check_keys(stored, {"format_version", *keys}, path, way_out)
    return {key: value for key, value in stored.items() if key != "format_version"}


def check_keys(record: object, keys: Collection[str], path: Path, way_out: str) -> None:
    """Refuse a record that does not have exactly these keys.

    Raises:
        UserError: it has not, or is no record at all.
    """
    got = sorted(record) if isinstance(record, dict) else record
    if got != sorted(keys):
        raise expected(f"the keys in {path}", str(sorted(keys)), got, way_out)
