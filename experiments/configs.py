"""Where the files behind a command line lie: `conf/`, and folders of one's own that are searched after it."""

import re
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from hydra.core.override_parser.types import Override

CONF = Path(__file__).parents[1] / "conf"
SEARCHPATH = "hydra.searchpath"
_SHOWN = 3

# Of every file its place, when it was written (ns) and its size (bytes).
State = tuple[tuple[str, int, int], ...]


class Configs:
    """The folders whose files a command line may name, in the order in which they are searched.

    Args:
        searched: entries of `hydra.searchpath`: folders, with or without `file://`, and `pkg://package.folder`.
    """

    def __init__(self, searched: Sequence[str] = ()) -> None:
        self.searched = list(searched)

    @classmethod
    def of(cls, overrides: Sequence[Override], config_dir: str | None, faults: list[str]) -> "Configs":
        """The folders of a command line; what is wrong with them is added to the faults.

        Args:
            overrides: of the command line; `hydra.searchpath` among them, or not.
            config_dir: the folder of `--config-dir`, if there is one.
            faults: of the command line.
        """
        given = [one.value() for one in overrides if one.key_or_group == SEARCHPATH]
        listed = [entry for value in given for entry in (value if isinstance(value, list) else [value])]
        faults += [
            f"expected `{SEARCHPATH}` to be a list of folders, but got {entry!r} in it: {SEARCHPATH}=[PATH]"
            for entry in listed
            if not isinstance(entry, str)
        ]
        named = [entry for entry in listed if isinstance(entry, str)]
        named += [f"file://{Path(config_dir).absolute()}"] if config_dir is not None else []
        wrong = {entry: why for entry in named if (why := _problem(entry))}
        faults += wrong.values()
        return cls([entry for entry in named if entry not in wrong])

    @property
    def override(self) -> list[str]:
        """What Hydra has to be told: nothing where there is `conf/` alone."""
        return [f"{SEARCHPATH}=[{','.join(map(quoted, self.searched))}]"] if self.searched else []

    @property
    def own(self) -> list[Path]:
        """The folders beside `conf/`."""
        return [folder for entry in self.searched if (folder := _folder(entry)) is not None]

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """The names that each group has a file for, by group; those of `conf/` are read first, so none counts twice."""
        found: dict[str, set[str]] = {}
        for folder, file in self._files:
            if (group := file.parent.relative_to(folder).as_posix()) != ".":
                found.setdefault(group, set()).add(file.stem)
        return {group: sorted(names) for group, names in sorted(found.items())}

    @cached_property
    def state(self) -> State:
        """What tells whether any file has been changed since."""
        found = [(str(file.absolute()), file.stat()) for _, file in self._files]
        return tuple((place, stat.st_mtime_ns, stat.st_size) for place, stat in found)

    @cached_property
    def _files(self) -> list[tuple[Path, Path]]:
        """Every file, after the folder that is searched for it."""
        return [(folder, file) for folder in (CONF, *self.own) for file in sorted(folder.rglob("*.yaml"))]

    def is_group(self, name: str) -> bool:
        """Whether there are files, or further groups, of that name."""
        return any(group == name or group.startswith(f"{name}/") for group in self.groups)

    def is_chosen_from(self, override: Override) -> bool:
        """Whether an override chooses files, or is one of Hydra's own; else it sets a value."""
        return self.is_group(override.key_or_group) or override.key_or_group.startswith("hydra")


def quoted(text: str) -> str:
    """A text as a value on Hydra's command line, whatever is in it."""
    # A backslash is one of Hydra's only before a quote.
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), text) + "'"


def _folder(entry: str) -> Path | None:
    """Where an entry of the search path lies; None for a package that is not there, or another kind of place."""
    scheme, separator, rest = entry.partition("://")
    if not separator:
        return Path(entry)
    if scheme == "file":
        return Path(rest)
    if scheme != "pkg":
        return None
    try:
        spec = find_spec(rest.replace("/", "."))
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


def _problem(entry: str) -> str | None:
    """What keeps an entry of the search path from being of use: no such folder, or files that are never read."""
    folder = _folder(entry)
    if folder is None or not folder.is_dir():
        return f"expected `{entry}` to be a folder with configurations of yours, but there is none"
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.yaml"))
    hidden = [name for name in files if (CONF / name).exists()]
    if not hidden or folder.resolve() == CONF.resolve():
        return None
    more = f" and {len(hidden) - _SHOWN} more" if len(hidden) > _SHOWN else ""
    return (
        f"expected the files in {folder} to have names that conf/ has not, but got {', '.join(hidden[:_SHOWN])}{more}: "
        "those of conf/ are read, so give yours other names"
    )
