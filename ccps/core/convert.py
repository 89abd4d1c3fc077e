"""Plain values, as YAML and a command line hold them, as the type that a setting has."""

import math
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_TYPE_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", Any: "anything"}
_LIST_NAMES = {
    int: "a list of whole numbers, such as [1,2]",
    float: "a list of numbers, such as [0.5,2]",
    str: "a list of texts, such as [a,b]",
}


class UnfitError(Exception):
    """A value that is not of the type wanted."""


def convert(value: Any, wanted: Any) -> Any:
    """Convert a value to a type: `int`, `float`, `str`, `bool`, an enumeration, lists and mappings of these.

    Numbers in quotes are numbers, and a number is a text where a text is wanted; true and false are neither. No text
    holds NUL or half a character, wherever it stands.

    Raises:
        UnfitError: it cannot be one.
    """
    if wanted is Any:
        return _writable(value)
    if inner := optional(wanted):
        return None if value is None else convert(value, inner)
    if get_origin(wanted) is list:
        return [convert(item, get_args(wanted)[0]) for item in _checked(value, list | tuple)]
    if get_origin(wanted) is dict:
        keys, values = get_args(wanted)
        return {convert(key, keys): convert(item, values) for key, item in _checked(value, Mapping).items()}
    if issubclass(wanted, Enum):
        return _member(value, wanted)
    return {int: _whole, float: _number, str: _text, bool: _truth}[wanted](value)


def optional(wanted: Any) -> Any:
    """The other type of a place that holds it or nothing; None for any other place."""
    if get_origin(wanted) not in (Union, UnionType):
        return None
    (inner,) = (part for part in get_args(wanted) if part is not NoneType)
    return inner


def type_name(wanted: Any) -> str:
    """A type in words."""
    if inner := optional(wanted):
        return f"{type_name(inner)} or null"
    if get_origin(wanted) is list:
        return _LIST_NAMES[get_args(wanted)[0]]
    if get_origin(wanted) is dict:
        return "a group of settings" + (", its texts whole and without NUL" if get_args(wanted)[1] is Any else "")
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return "one of " + ", ".join(wanted.__members__)
    return _TYPE_NAMES[wanted]


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise UnfitError
    return value


def _member(value: Any, wanted: type[Enum]) -> Enum:
    if isinstance(value, wanted):
        return value
    if isinstance(value, str) and value in wanted.__members__:
        return wanted[value]
    raise UnfitError


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UnfitError
    try:
        return int(value)
    except ValueError:
        raise UnfitError from None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnfitError
    try:
        return float(value)
    except ValueError:
        raise UnfitError from None
    except OverflowError:
        return math.inf


def _writable(value: Any) -> Any:
    """Anything, if all texts in it can be written down; how it is laid out is not known here."""
    if isinstance(value, Mapping):
        for pair in value.items():
            _writable(list(pair))
    elif isinstance(value, list | tuple):
        for one in value:
            _writable(one)
    elif isinstance(value, str):
        _text(value)
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnfitError
    try:
        text = str(value)
        text.encode()
    except ValueError:  # half a surrogate pair, or a number of thousands of digits
        raise UnfitError from None
    if "\0" in text:
        raise UnfitError
    return text


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    raise UnfitError
