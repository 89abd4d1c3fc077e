"""From plain values to a typed dataclass: every fault found, and all of them in one message."""

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from ccps.core.convert import UnfitError, convert, optional, type_name
from ccps.core.errors import UserError, WrongSettingError
from ccps.core.fields import MISSING, default_of, is_required, rule_of

T = TypeVar("T")
_FAULTY = object()
# Characters of a value that messages show, and of a whole line of a message.
_SHOWN = 300
_LINE = 2000
# What becomes the name of a file or folder, and part of a path of settings.
_NAME = re.compile(r"[^/\x00-\x1f\x7f]{1,120}")


class Fault(NamedTuple):
    """What is wrong with one setting.

    Attributes:
        path: where it stands: below the dataclass that says it, in the end as the user types it.
        says: what follows the path.
        head: what goes before it.
    """

    path: str
    says: str
    head: str = "expected"

    def __str__(self) -> str:
        return f"{self.head} `{self.path}`{self.says}"

    def under(self, parent: str) -> "Fault":
        """The same fault of a group that stands below another one."""
        return self._replace(path=join(parent, self.path))


NAMES = "names without slashes and control characters, of 120 characters at most"


def is_name(text: str) -> bool:
    """Whether a text can be the name of a file; see `NAMES`."""
    return _NAME.fullmatch(text) is not None and text.strip(". ") != ""


def fault(path: str, wanted: str, got: object, way_out: str = "") -> Fault:
    """Say that a setting should be something else.

    Args:
        path: where it stands.
        wanted: what it should be ("above 0"), or do ("to hold …").
        got: what it is.
        way_out: how to mend it, where that does not go without saying.
    """
    wanted = wanted if wanted.startswith("to ") else f"to be {wanted}"
    return Fault(path, f" {wanted}, but got {got}{': ' if way_out else ''}{way_out}")


def shown(value: object) -> str:
    """A value as messages show it."""
    if value is None:
        return "null"
    try:
        text = repr(value)
    except ValueError:  # of a number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def unknown(kind: str, name: str, path: str, known: Iterable[str]) -> Fault:
    """Say that there is nothing of a name, and which name resembles it.

    Args:
        kind: what it should be ("method").
        name: the name.
        path: where it stands.
        known: the names there are.
    """
    return Fault(path, f": {nearest(name, list(known))}", f"unknown {kind} `{name}` in")


def unread(config: Any, read: Iterable[str]) -> Iterator[Fault]:
    """Say of each value that is set for nothing: what bears the `name` of a choice does not read it.

    Args:
        config: dataclass of the choice, its `name` among the fields.
        read: the fields that are read.
    """
    for item in dataclasses.fields(config):
        if item.name not in {"name", *read} and getattr(config, item.name) != item.default:
            yield fault(item.name, f"left out for {config.name}", "a value")


class SettingsError(WrongSettingError):
    """Settings that do not fit; one message for all faults.

    Attributes:
        faults: what is wrong, a line each.
    """

    def __init__(self, faults: Sequence[Fault | str], *, of_a_run: bool = True) -> None:
        self.faults = list(dict.fromkeys(_printable(str(one)) for one in faults))
        heading = "One setting is at fault" if len(self.faults) == 1 else f"{len(self.faults)} settings are at fault"
        lines = "\n".join(f"  - {one}" for one in self.faults)
        if of_a_run:
            message = f"{heading}, nothing was run:\n{lines}\nPrint all settings and their values with --cfg job."
        else:
            message = f"{heading}:\n{lines}"
        super().__init__(message)


def typed(
    settings: Mapping[str, Any], wanted: type[T], more: Callable[[T], Iterable[Fault]] | None = None, name: str = ""
) -> T:
    """Check settings against a dataclass and build it.

    A dataclass says with `cross_faults()` what of it does not go together; it is asked although values are out of
    range, and those of a wrong type have been replaced by their defaults.

    Args:
        settings: plain values.
        wanted: the dataclass.
        more: says what else does not go together, of what only other rooms know.
        name: where the settings stand among those of a run.

    Raises:
        SettingsError: naming every unknown key (with the nearest known one), wrong type, missing value, value out of
            range, and what does not go together.
    """
    reader = _Reader()
    built = reader.read_group(settings, wanted, name)
    if built is not _FAULTY and more is not None:
        reader.add(more(built))
    if reader.faults:
        raise SettingsError(reader.faults)
    result: T = built
    return result


def check(config: Any, name: str = "", more: Callable[[Any], Iterable[Fault]] | None = None) -> None:
    """Check a dataclass of settings that was built in Python, by the same rules.

    Args:
        config: the dataclass.
        name: where it stands in an experiment, such as `probe.mc`.
        more: says what else does not go together, of what only other rooms know; paths as below the dataclass.

    Raises:
        SettingsError: naming every fault.
    """
    reader = _Reader()
    reader.read_group(config, type(config), name)
    if more is not None:
        reader.add(one.under(name) for one in more(config))
    if reader.faults:
        raise SettingsError(reader.faults, of_a_run=False)


def faults_of(path: str, check: Callable[[], object]) -> Iterator[Fault]:
    """What a room says against its part of the settings, a line each.

    Args:
        path: where that part stands.
        check: raises `UserError` where something is wrong.
    """
    try:
        check()
    except UserError as error:
        for line in error.faults if isinstance(error, SettingsError) else str(error).splitlines():
            if named := re.fullmatch(rf"[Ee]xpected `({re.escape(path)}[^`]*)`(.*)", line):
                yield Fault(named[1], named[2])
            else:
                yield Fault(path, f": {line[0].lower()}{line[1:]}", "in")


def _printable(line: str) -> str:
    """A line that fits on a screen and into every file, whatever a setting or its name holds."""
    cut = line if len(line) <= _LINE else f"{line[: _LINE // 2]} … {line[-_LINE // 2 :]}"
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")


def nearest(name: str, known: Sequence[str]) -> str:
    """Suggest the known name that resembles a misspelt one, or list what is known."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(sorted(known))}"


def join(parent: str, name: str) -> str:
    """The path of what stands in a group."""
    return f"{parent}.{name}" if parent and name else parent or name


@cache
def hints(group: Any) -> dict[str, Any]:
    """The types of the fields of a dataclass, by name."""
    return get_type_hints(group)


def group_of(wanted: Any) -> Any:
    """The dataclass of a place that holds one, or one and nothing; None for any other place."""
    inner = optional(wanted) or wanted
    return inner if dataclasses.is_dataclass(inner) else None


def named_group_of(wanted: Any) -> Any:
    """The dataclass of a place that maps names to several; None for any other place."""
    return get_args(wanted)[1] if get_origin(wanted) is dict and group_of(get_args(wanted)[1]) else None


def listed_group_of(wanted: Any) -> Any:
    """The dataclass of a place that lists several; None for any other place."""
    return get_args(wanted)[0] if get_origin(wanted) is list and group_of(get_args(wanted)[0]) else None


class _Reader:
    """Goes down into dataclasses and gathers what is wrong.

    Attributes:
        faults: what is wrong, in the order of the settings.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._refused: set[str] = set()
        self._unread: set[str] = set()

    def add(self, faults: Iterable[Fault]) -> None:
        """Take up what does not go together, but for what hangs on a setting that is at fault by itself."""
        self.faults += [
            one
            for one in faults
            if one.path not in self._refused and not any(_related(one.path, path) for path in self._unread)
        ]

    def read_group(self, value: Any, wanted: Any, path: str) -> Any:
        """The dataclass, or `_FAULTY` if it cannot be built."""
        if isinstance(value, wanted):
            value = {item.name: getattr(value, item.name) for item in dataclasses.fields(wanted)}
        if not isinstance(value, Mapping):
            return self._unreadable(Fault(path, f" to be a group of settings, but got {shown(value)}"))
        for key in value:
            if key not in hints(wanted):
                says = f": {nearest(str(key), list(hints(wanted)))}"
                self.faults.append(Fault(join(path, str(key)), says, "unknown setting"))
        items = dataclasses.fields(wanted)
        read = {item.name: self._read_field(value, item, hints(wanted)[item.name], path) for item in items}
        if any(read[item.name] is _FAULTY and is_required(item) for item in items):
            return _FAULTY
        built = wanted(**{name: item for name, item in read.items() if item is not _FAULTY})
        if hasattr(built, "cross_faults"):
            self.add(one.under(path) for one in built.cross_faults())
        return built

    def _read_field(self, group: Mapping[str, Any], item: dataclasses.Field[Any], wanted: Any, parent: str) -> Any:
        """The value of a field; `_FAULTY` to leave it at its default."""
        path = join(parent, item.name)
        value, rule = group.get(item.name, default_of(item)), rule_of(item)
        read = self._read(value, wanted, path)
        if read is _FAULTY:
            return read
        if rule.not_empty and isinstance(read, dict | list | str) and not value:
            self._refuse(Fault(path, " to hold at least one entry, but it is empty"))
        elif words := rule.wanted(read):
            self._refuse(fault(path, words + (" or null" if optional(wanted) else ""), shown(value)))
        return read

    def _read(self, value: Any, wanted: Any, path: str) -> Any:
        if isinstance(value, str) and value == MISSING:
            return self._unreadable(Fault(path, " to be set, but it is not"))
        if group := group_of(wanted):
            return None if value is None and group is not wanted else self.read_group(value, group, path)
        if group := named_group_of(wanted):
            if not isinstance(value, Mapping):
                return self._unreadable(Fault(path, f" to map names to settings, but got {shown(value)}"))
            for name in value:
                if not is_name(str(name)):
                    return self._unreadable(Fault(path, f" to have {NAMES}, but got {shown(str(name))}"))
            read = {str(name): self.read_group(item, group, join(path, str(name))) for name, item in value.items()}
            return {name: item for name, item in read.items() if item is not _FAULTY}
        if group := listed_group_of(wanted):
            if not isinstance(value, list | tuple):
                return self._unreadable(Fault(path, f" to be a list of groups of settings, but got {shown(value)}"))
            items = [self.read_group(item, group, join(path, str(place))) for place, item in enumerate(value)]
            return _FAULTY if any(item is _FAULTY for item in items) else items
        try:
            return convert(value, wanted)
        except UnfitError:
            return self._unreadable(Fault(path, f" to be {type_name(wanted)}, but got {shown(value)}"))

    def _refuse(self, found: Fault) -> None:
        self.faults.append(found)
        self._refused.add(found.path)

    def _unreadable(self, found: Fault) -> object:
        self._refuse(found)
        self._unread.add(found.path)
        return _FAULTY


def _related(one: str, other: str) -> bool:
    """Whether two paths are the same, or one stands below the other."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
