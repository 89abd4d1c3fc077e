"""Getting values out of a record; a ValueError says what is wrong with it."""

import math
import re
from string import Formatter
from typing import Any


def lookup(row: dict[str, Any], column: str) -> Any:
    """The value of a column; a dot goes into nested columns unless a column has that very name.

    NaN, which tables hold where a value is missing, is None; inside lists too.
    """
    if column in row:
        return _without_nan(row[column])
    value: Any = row
    for part in column.split("."):
        if not isinstance(value, dict) or part not in value:
            raise ValueError(f"no column `{column}` (there are: {', '.join(columns_of(row))})")
        value = value[part]
    return _without_nan(value)


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


def render(row: dict[str, Any], template: str) -> str:
    """A column's text, or a text with columns in braces filled in; missing values are empty."""
    if "{" not in template:
        return _text(lookup(row, template))
    return "".join(
        literal + (_text(lookup(row, column)) if column else "")
        for literal, column, _, _ in Formatter().parse(template)
    )


def number(value: object) -> int:
    """A whole number, also where it is written as text, truth value or float."""
    text = str(int(value) if isinstance(value, bool) else value).strip()
    if not re.fullmatch(r"[+-]?\d+(\.0+)?", text):
        raise ValueError(f"the answer {value!r} is not a whole number")
    return int(float(text))


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _text(value: object) -> str:
    return "" if value is None else str(value)
