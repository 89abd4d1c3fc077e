"""Things by name, registered where they are defined."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from ccps.core.errors import expected

T = TypeVar("T")

LAST = 1000
"""The place of what does not say where it stands: after everything that does."""


class Registry(Mapping[str, T], Generic[T]):
    """Things of one kind by name; a new one is a file in the package, or a line of anybody's own code.

    The modules of the package are imported when somebody first looks, unless it is for one that a module of the package
    has registered already. So none has to be listed, and a module may itself use the registry.

    >>> shapes = Registry[str]("shape")
    >>> shapes.register("circle", "◯")
    '◯'
    >>> shapes["circle"]
    '◯'

    Args:
        kind: what the things are called in messages ("method").
        package: name of the package whose modules register their own; None if there is none.
        place: what the things are sorted by, beside their names.
    """

    def __init__(self, kind: str, package: str | None = None, place: Callable[[T], int] = lambda _: LAST) -> None:
        self.kind = kind
        self._package = package
        self._place = place
        self._found: dict[str, T] = {}
        self._is_loaded = package is None

    def register(self, name: str, thing: T) -> T:
        """Add a thing, and return it.

        Raises:
            ValueError: there is one of this name.
        """
        if name in self._found:
            raise ValueError(f"Expected each {self.kind} to have a name of its own, but got two called `{name}`.")
        self._found[name] = thing
        return thing

    def remove(self, name: str) -> None:
        """Take a thing out again, so that another may have its name; for tests and notebooks."""
        del self._found[name]

    def find(self, name: str, setting: str | None = None) -> T:
        """Look a thing up.

        Args:
            name: what it is called.
            setting: where the name stands, for the message; by default the kind.

        Raises:
            UserError: there is none of this name; the message says which there are, and which one is like it.
        """
        if name not in self:
            near = difflib.get_close_matches(name, self, n=1)
            way_out = f"Choose {near[0] if near else 'one of these'}."
            raise expected(f"`{setting or self.kind}`", f"one of {', '.join(self)}", repr(name), way_out)
        return self[name]

    def __getitem__(self, name: str) -> T:
        return self._found[name] if self._is_own(name) else self._all()[name]

    def __iter__(self) -> Iterator[str]:
        found = self._all()
        return iter(sorted(found, key=lambda name: (self._place(found[name]), name)))

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, name: Any) -> bool:
        return self._is_own(name) or name in self._all()

    def _is_own(self, name: Any) -> bool:
        """Whether the package has defined one of this name; somebody else's may turn out to be the second."""
        thing = self._found.get(name)
        return thing is not None and str(getattr(thing, "__module__", "")).startswith(f"{self._package}.")

    def _all(self) -> dict[str, T]:
        if not self._is_loaded:
            assert self._package is not None
            self._is_loaded = True  # before: what is imported may look
            try:
                for module in iter_modules(import_module(self._package).__path__):
                    import_module(f"{self._package}.{module.name}")
            except BaseException:
                self._is_loaded = False  # half a room is not to be taken for the whole
                raise
        return self._found
