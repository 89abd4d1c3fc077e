"""What a value of a record says: one rule for every field, every loader and the scorer's own arguments.

A text, a number or a truth value has one text. Lists, mappings, bytes and dates have none: whatever would be made of
them (brackets, quotes, "b'…'") is a question that nobody asked, so they are refused with the path that leads into them.
"""

import ast
import io
import json
import math
import re
import tokenize
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ccps.data.class_labels import ClassLabel

NOTHING = ("None", "nan", "NaN", "null", "NULL", "undefined", "NA", "N/A", "n/a")
"""What is nothing, written as text: no question, though an option or an answer may be called so."""

# Enough for any index of an option; Python itself refuses whole numbers of more than some thousand digits.
_MOST_DIGITS = 18
_PRINTED = re.compile(r"\s*(?:\[.*\]|\(.*\)|\{.*\}|array\(.*\)|[bB](?:'.*'|\".*\"))\s*", re.DOTALL)
# What else Python, NumPy, pandas and PyTorch print of what is no text, and where a cell failed or has nothing.
_BUILT = re.compile(
    r"\s*(?:(?:dict_(?:keys|values|items)|(?:frozen)?set|deque|(?:Ordered|default)[Dd]ict|Counter|mappingproxy|(?:List|Dict)"
    r"Config|Index|RangeIndex|Series|DataFrame|tensor|(?:np\.|numpy\.)\w+|(?:pd\.)?Timestamp|(?:pd\.)?Timedelta|"
    r"datetime\.\w+(?:\.\w+)?|Decimal|Fraction|UUID|(?:Posix|Windows|PurePosix|PureWindows)?Path)\((?:[^()]|\([^()]*\))*\)|"
    r"<[\w.]+ object at 0x[0-9a-f]+>)\s*",
    re.DOTALL,
)
_FAILED = re.compile(r"\s*(?:<NA>|NaT|#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!|FIELD!))\s*")
_TO_KEEP = "set `printed: keep`"
# What stands beside texts in what Python, NumPy and pandas print, and is no literal.
_PRINTED_NAMES = {"nan", "NaN", "NA", "NaT", "inf", "None", "True", "False", "null", "true", "false", "array", "dtype"}
_PRINTED_NAMES |= {"object", "Timestamp", "datetime", "date", "Decimal", "OrderedDict", "Ellipsis"}


def as_text(value: object, field: str, wanted: str = "a text") -> str:
    """The text of a value.

    Args:
        value: a text, a number, or a truth value ("True", "False"); numbers of NumPy too; a class is its name.
        field: what holds it, for messages.
        wanted: what is expected there, for messages.

    Raises:
        ValueError: it has no text: a list, a mapping, bytes, a date, nothing; or a text that is no Unicode.
    """
    value = _plain(value)
    if isinstance(value, ClassLabel):
        value = value.name
    if isinstance(value, str):
        return _whole(value, field)
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    raise ValueError(f"{field} is {_kind(value)}, where {wanted} is wanted{_way_in(value, field)}")


def as_number(value: object, field: str) -> int:
    """A whole number, also where it is written as text, truth value or float; of a class its number.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, ClassLabel):
        return int(value)
    text = as_text(value, field, "a whole number").strip()
    text = {"true": "1", "false": "0"}.get(text.lower(), text)
    if not re.fullmatch(r"[+-]?\d+(\.0+)?", text, re.ASCII) or len(text) > _MOST_DIGITS:
        raise ValueError(f"{field} is {_short(text)!r}, where a whole number is wanted")
    return int(text.partition(".")[0])


def as_list(value: object, field: str) -> list[Any]:
    """A list, also where a text writes one out, as tables hold it: `["a", "b"]`, `['a', 'b']`.

    Raises:
        ValueError: it is none.
    """
    value = written_out(value, field)
    if isinstance(value, tuple):
        value = list(value)
    if getattr(value, "ndim", 0) == 1 and hasattr(value, "dtype"):  # of NumPy, pandas, PyTorch
        value = value.tolist()  # type: ignore[attr-defined]
    if isinstance(value, list):
        return value
    raise ValueError(f"{field} is {_kind(value)}, where a list is wanted{_way_in(value, field)}")


def written_out(value: object, field: str) -> object:
    """The list or the mapping that a text writes out, in JSON or in Python; anything else as it is.

    Raises:
        ValueError: a text looks like a printed array, whose items cannot be told apart.
    """
    if not isinstance(value, str) or not re.fullmatch(r"\s*(?:\[.*\]|\{.*\})\s*", value, re.DOTALL):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    try:
        listed = ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value
    if not isinstance(listed, list):
        return listed if isinstance(listed, dict) else value
    # Python joins texts that stand side by side: ['a' 'b'], as NumPy prints an array, would be one item.
    if all(isinstance(one, str) for one in listed) and _n_literals(value) != len(listed):
        raise ValueError(f"{field} is a printed array whose items cannot be told apart: {_short(value)!r}")
    return listed


def written_texts(value: object, field: str, to_keep: str = _TO_KEEP) -> object:
    """The list of texts that a text writes out; anything else as it is, `[1, 2]` too, which may be an answer.

    Raises:
        ValueError: a text writes out something else that holds texts, as tables do with what is none.
    """
    listed = written_out(value, field)
    if isinstance(listed, list) and listed and all(isinstance(one, str) for one in listed):
        return listed
    refuse_printed(value, field, to_keep)
    return value


def refuse_printed(value: object, field: str, to_keep: str = _TO_KEEP) -> None:
    """Refuse a text that is nothing but a printed list, tuple, set, mapping or bytes, as tables hold what is no text.

    Args:
        value: the text; anything else passes.
        field: what holds it, for messages.
        to_keep: what to do where the text is meant as it stands, for messages.

    Raises:
        ValueError: it is one, see `printed`.
    """
    if isinstance(value, str) and (kind := printed(value)):
        raise ValueError(
            f"{field} is {kind} written as text ({_short(value.strip())!r}): store what lies inside it; if the text is "
            f"meant as it stands, {to_keep}"
        )


def printed(text: str) -> str:
    """Which value that is no text a text prints, in words ("a list of 2"); empty if it prints none.

    Of lists, tuples and sets only those with texts among their items, or with none, count: `(1, 2)` is mathematics.
    What spreadsheets and pandas write for nothing and for a formula that failed (`<NA>`, `#REF!`) is no text either.
    """
    if _FAILED.fullmatch(text):
        return "a cell that failed or has nothing"
    if _BUILT.fullmatch(text):
        return "an object"
    return _printed_kind(text.strip()) if _PRINTED.fullmatch(text) else ""


def _printed_kind(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return "an array" if text.startswith("array(") or _is_printed(text) else ""
    if isinstance(value, dict | bytes):
        return _kind(value) if value else ""
    if isinstance(value, list | tuple | set | frozenset):
        texts = (isinstance(one, str | bytes | dict | list) for one in value)
        return f"a {type(value).__name__} of {len(value)}" if any(texts) or value == [] else ""
    return ""


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different; of two values of one name the first would be lost.

    Raises:
        ValueError: two have one name.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two values called `{twice}`")
    return found


def _is_printed(text: str) -> bool:
    """Whether a text holds texts in quotes, and beside them nothing but what lists and arrays print."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return False
    words = [one for one in tokens if one.type in (tokenize.NAME, tokenize.OP, tokenize.ERRORTOKEN, tokenize.STRING)]
    beside = {one.string for one in words if one.type != tokenize.STRING}
    return len(beside) < len(words) and beside <= {*_PRINTED_NAMES, *"[](){},:=-", "..."}


def _plain(value: object) -> object:
    """A number or truth value of NumPy as Python's own; 0.1 in single precision too is 0.1."""
    if not (hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "ndim", 1) == 0):
        return value
    return float(str(value)) if getattr(value.dtype, "kind", "") == "f" else value.item()


def _whole(text: str, field: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{field} holds half a surrogate pair, a character cut in two, at {error.start}") from error
    return text


def _kind(value: object) -> str:
    match value:
        case None:
            return "missing"
        case str():
            return f"the text {_short(value)!r}"
        case float() | Decimal():
            return "not a number (NaN)" if math.isnan(value) else f"no finite number ({value})"
        case list() | tuple():
            return f"a list of {len(value)}"
        case Mapping():
            return f"a mapping ({', '.join(map(str, list(value)[:5]))})"
        case bytes() | bytearray():
            return "bytes"
    return f"a {type(value).__name__}"


def _way_in(value: object, field: str) -> str:
    """How to name the text inside a value, if it is inside."""
    name = field.strip("`")
    if isinstance(value, Mapping) and value:
        return f": name what lies inside it, such as `{name}.{likely_text(value)}`"
    if isinstance(value, list | tuple) and value:
        inner = f".{likely_text(value[0])}" if isinstance(value[0], Mapping) and value[0] else ""
        return f": name what lies inside it, such as `{name}.0{inner}`"
    if isinstance(value, bytes | bytearray):
        return ": store it as text"
    return ""


def likely_text(record: Mapping[str, Any]) -> str:
    """The name under which a record that is not empty likely holds its text, for advice."""
    return next((name for name in ("text", "content", "value") if name in record), next(iter(record)))


def _n_literals(text: str) -> int:
    """How many text literals a line of Python holds."""
    tokens = tokenize.generate_tokens(io.StringIO(text.strip()).readline)
    return sum(token.type == tokenize.STRING for token in tokens)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"
