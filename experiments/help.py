"""The answer to `--help`: what can be chosen, and what each setting means."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ccps.core.describe import Described, described
from ccps.core.fields import MISSING

_WIDTH = 110
_INDENT = " " * 6
# Settings that are data rather than something to be typed: only their names are shown.
_LONG = 200


def help_text(
    shape: Any, settings: Mapping[str, Any], groups: Mapping[str, Sequence[str]], header: str, footer: str
) -> str:
    """The whole page.

    Args:
        shape: the dataclass that the settings fill.
        settings: as composed, with the command line.
        groups: the names that can be chosen in each.
        header: the first line.
        footer: examples.
    """
    chosen = ["", "== Groups (files in conf/) ==", *_groups(groups)]
    lines = ["", "== Settings ==", *(_lines(one) for one in described(shape, settings))]
    return "\n".join([header, *chosen, *lines, "", footer])


def _groups(groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for group, names in groups.items():
        yield textwrap.fill(f"{group}: {', '.join(names)}", _WIDTH, subsequent_indent="    ")


def _lines(one: Described) -> str:
    meaning = one.help[:1].upper() + one.help[1:] + "." if one.help else ""
    if not one.allowed:
        chosen = f" [{', '.join(map(str, one.value))}]" if one.value else ""
        return "\n" + textwrap.fill(f"{one.path}{chosen}: {meaning}", _WIDTH, subsequent_indent="    ")
    value = "… (has to be given)" if one.value == MISSING else _shown(one.value)
    text = f"{meaning} {one.allowed[:1].upper()}{one.allowed[1:]}."
    return f"  {one.path}={value}\n{textwrap.fill(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)}"


def _shown(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, Mapping):
        text = "{" + ",".join(f"{key}:{_shown(item)}" for key, item in value.items()) + "}"
        return text if len(text) < _LONG else "{" + ", ".join(map(str, value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_shown, value)) + "]"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return str(value).strip()
