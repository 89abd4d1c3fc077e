"""What a dataclass of settings says of itself: each setting with its value, its meaning and its range."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ccps.core.convert import optional, type_name
from ccps.core.fields import default_of, rule_of
from ccps.core.settings import group_of, hints, join, listed_group_of, named_group_of


class Described(NamedTuple):
    """A setting, or a group of settings.

    Attributes:
        path: as the user types it; `NAME` stands for the names of a group that holds several, `N` for their numbers,
            from 0, in a list of groups.
        value: what it is set to; for a group the names or numbers in it, None for one without names.
        help: what it means.
        allowed: the values it may take, in words; empty for a group.
    """

    path: str
    value: Any
    help: str
    allowed: str


def described(
    shape: Any, settings: Mapping[str, Any], path: str = "", told: dict[Any, str] | None = None
) -> Iterator[Described]:
    """Every setting of a dataclass, in its order, groups before what is in them.

    Args:
        shape: the dataclass.
        settings: plain values; where one is absent, the default is told.
        path: where they stand.
        told: where settings of groups that hold several were told, which is done once.
    """
    told = {} if told is None else told
    for item in dataclasses.fields(shape):
        wanted, rule = hints(shape)[item.name], rule_of(item)
        here, value = join(path, item.name), settings.get(item.name, default_of(item))
        if group := group_of(wanted):
            yield Described(here, None, rule.help or summary(group), "")
            yield from described(group, value if isinstance(value, Mapping) else {}, here, told)
        elif group := named_group_of(wanted):
            again = f"; settings as under `{told[group]}`" if group in told else ""
            yield Described(here, list(value), (rule.help or summary(group)) + again, "")
            if told.setdefault(group, here) == here:
                yield from described(group, {}, join(here, "NAME"), told)
        elif group := listed_group_of(wanted):
            yield Described(here, list(map(str, range(len(value)))), rule.help or summary(group), "")
            yield from described(group, {}, join(here, "N"), told)
        else:
            yield Described(here, value, rule.help, allowed(wanted, rule.of_list if _is_list(wanted) else rule.of_one))


def allowed(wanted: Any, words: str) -> str:
    """The values that a type and a rule leave, in words."""
    null = " or null" if optional(wanted) else ""
    kind = type_name(optional(wanted) or wanted)
    if words in ("finite", "names") or wanted is Any:
        return f"{kind}{null}"
    if words.startswith(("one of", "ones of", "different")) or _is_list(wanted):
        return f"{'a list of ' if _is_list(wanted) else ''}{words}{null}"
    return f"{kind} {words}{null}"


def summary(group: Any) -> str:
    """The first line of a dataclass's docstring, as the meaning of a group."""
    first = (inspect.getdoc(group) or "").partition("\n")[0].rstrip(".")
    return first[:1].lower() + first[1:]


def _is_list(wanted: Any) -> bool:
    return type_name(wanted).startswith("a list")
