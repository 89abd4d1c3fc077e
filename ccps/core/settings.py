"""From plain settings to a typed dataclass: every fault found, and all of them in one message."""

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ccps.core.errors import UserError

T = TypeVar("T")

_TYPE_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "int | None": "a whole number or null",
    "str | None": "a text or null",
    "list[int]": "a list of whole numbers, such as [1,2]",
    "list[str]": "a list of texts, such as [a,b]",
    "dict[str, typing.Any]": "a group of settings",
}


class SettingsError(UserError):
    """Settings that do not fit; one message for all faults.

    Attributes:
        faults: what is wrong, a line each.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        heading = "One setting is at fault" if len(faults) == 1 else f"{len(faults)} settings are at fault"
        lines = "\n".join(f"  - {fault}" for fault in faults)
        super().__init__(f"{heading}, nothing was run:\n{lines}\nPrint all settings and their values with --cfg job.")
        self.faults = list(faults)


def typed(
    settings: Mapping[str, Any], wanted: type[T], value_faults: Callable[[Mapping[str, Any]], Iterable[str]]
) -> T:
    """Check settings against a dataclass and build it.

    Args:
        settings: plain values.
        wanted: the dataclass.
        value_faults: says which values, of the right types, are out of range.

    Raises:
        SettingsError: naming every unknown key (with the nearest known one), wrong type, missing value and value out of
            range.
    """
    faults = list(_type_faults(settings, wanted, "")) or list(value_faults(settings))
    if faults:
        raise SettingsError(faults)
    built: T = build(settings, wanted)
    return built


def nearest(name: str, known: Sequence[str]) -> str:
    """Suggest the known name that resembles a misspelt one, or list what is known."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(sorted(known))}"


def _type_faults(value: Any, wanted: Any, path: str) -> Iterator[str]:
    """Compare a value with the type of its place, going down into dataclasses and mappings of them."""
    if group := _optional_group(wanted):
        if value is not None:
            yield from _type_faults(value, group, path)
        return
    if dataclasses.is_dataclass(wanted):
        if not isinstance(value, Mapping):
            yield f"expected `{path}` to be a group of settings, but got {value!r}"
            return
        yield from _dataclass_faults(value, wanted, path)
    elif get_origin(wanted) is dict and dataclasses.is_dataclass(get_args(wanted)[1]):
        if not isinstance(value, Mapping):
            yield f"expected `{path}` to map names to settings, but got {value!r}"
            return
        for name, item in value.items():
            yield from _type_faults(item, get_args(wanted)[1], f"{path}.{name}")
    elif value == MISSING:
        yield f"expected `{path}` to be set, but it is not"
    elif not _fits(value, wanted):
        yield f"expected `{path}` to be {_type_name(wanted)}, but got {value!r}"


def _optional_group(wanted: Any) -> Any:
    """The dataclass of a place that holds one or nothing; None for any other place."""
    parts = [part for part in get_args(wanted) if part is not type(None)]
    is_optional = len(parts) == 1 and len(get_args(wanted)) == 2
    return parts[0] if is_optional and dataclasses.is_dataclass(parts[0]) else None


def _dataclass_faults(value: Mapping[str, Any], wanted: Any, path: str) -> Iterator[str]:
    hints = get_type_hints(wanted)
    prefix = f"{path}." if path else ""
    for key in value:
        if key not in hints:
            yield f"unknown setting `{prefix}{key}`: {nearest(str(key), list(hints))}"
    for item in dataclasses.fields(wanted):
        if item.name in value:
            yield from _type_faults(value[item.name], hints[item.name], f"{prefix}{item.name}")
        elif _is_required(item):
            yield f"expected `{prefix}{item.name}` to be set, but it is not"


def _is_required(item: dataclasses.Field[Any]) -> bool:
    absent = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    return absent or item.default == MISSING


def _fits(value: Any, wanted: Any) -> bool:
    """Whether OmegaConf takes the value for a field of that type (so 1 fits float, "1" does not fit a list)."""
    try:
        OmegaConf.structured(_holder(wanted)).value = value
    except OmegaConfBaseException:
        return False
    return not (isinstance(value, bool) and wanted in (int, float, int | None, float | None, str, str | None))


@cache
def _holder(wanted: Any) -> Any:
    """A structured config of one value of a type, by which OmegaConf checks and converts it."""
    return dataclasses.make_dataclass("Holder", [("value", wanted, dataclasses.field(default=MISSING))])


def _type_name(wanted: Any) -> str:
    if isinstance(wanted, type) and issubclass(wanted, str) and hasattr(wanted, "__members__"):
        return "one of " + ", ".join(wanted.__members__)
    name = wanted.__name__ if isinstance(wanted, type) and not get_args(wanted) else str(wanted)
    return _TYPE_NAMES.get(name, name)


def build(value: Any, wanted: Any) -> Any:
    """Build the dataclass of a place from plain values that are known to fit it."""
    if group := _optional_group(wanted):
        return None if value is None else build(value, group)
    if dataclasses.is_dataclass(wanted):
        hints = get_type_hints(wanted)
        fields = {key: build(item, hints[key]) for key, item in value.items()}
        return wanted(**fields)  # type: ignore[operator]
    if get_origin(wanted) is dict and dataclasses.is_dataclass(get_args(wanted)[1]):
        return {name: build(item, get_args(wanted)[1]) for name, item in value.items()}
    typed = OmegaConf.structured(_holder(wanted))
    typed.value = value
    return OmegaConf.to_container(typed)["value"]  # type: ignore[call-overload, index]
