"""Getting values out of a record; a ValueError says what is wrong with it."""

import math
from collections.abc import Mapping
from string import Formatter
from typing import Any

from ccps.data.values import as_text, refuse_printed, written_out


def lookup(row: dict[str, Any], column: str) -> Any:
    """The value of a column; a dot goes into nested ones unless a column has that very name.

    In a mapping a dot is followed by a key (`choices.text`), in a list by a place from 0 (`resps.0.0`), or by a key
    that all of its items have (`choices.text` of `[{"text": …}, …]` is the list of these texts). NaN, which tables
    hold where a value is missing, is None; inside lists too.

    Raises:
        ValueError: there is no such column.
    """
    if column in row:
        return _without_nan(row[column])
    value: Any = row
    for part in column.split("."):
        try:
            value = _inside(value, part)
        except LookupError:
            raise ValueError(f"no column `{column}` (there are: {', '.join(columns_of(row))})") from None
    return _without_nan(value)


def _inside(value: Any, part: str) -> Any:
    """One step into a nested value, nothing into nothing; a LookupError if it leads nowhere."""
    if value is None:
        return None
    value = written_out(value, f"`{part}`")  # as a cell of a table holds it
    if isinstance(value, Mapping):
        return value[part]
    if isinstance(value, list) and part.isascii() and part.isdecimal():
        return value[int(part)]
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        return [one[part] for one in value]
    raise LookupError(part)


def columns_of(row: dict[str, Any]) -> list[str]:
    """Column names; for nested columns the dotted ones."""
    return [
        name
        for key, value in row.items()
        for name in ([f"{key}.{inner}" for inner in value] if isinstance(value, dict) and value else [key])
    ]


def has(row: dict[str, Any], column: str) -> bool:
    """Whether `lookup` finds the column."""
    try:
        lookup(row, column)
    except ValueError:
        return False
    return True


def render(row: dict[str, Any], template: str, *, may_be_printed: bool = False) -> str:
    """A column's text, or a text with columns in braces filled in; missing values are empty.

    Args:
        row: the record.
        template: see `BenchmarkSpec`.
        may_be_printed: whether a text that prints a list, a mapping or bytes is taken as it stands.

    Raises:
        ValueError: a column is not there, or holds no text.
    """
    if "{" not in template:
        return _text(lookup(row, template), template, may_be_printed)
    return "".join(
        literal + (_text(lookup(row, column), column, may_be_printed) if column else "")
        for literal, column, _, _ in Formatter().parse(template)
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _text(value: object, column: str, may_be_printed: bool) -> str:
    if not may_be_printed:
        refuse_printed(value, f"`{column}`")
    return "" if value is None else as_text(value, f"`{column}`")
