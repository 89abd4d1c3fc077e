"""Which artifacts a run of Weights & Biases holds already: noted in its own folder, and gone with it."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from ccps.core.errors import UserError
from ccps.core.stored import read_json, write_json

NOTE = "mirrored.json"
_FORMAT = 1


class Place(NamedTuple):
    """Where a run of W&B belongs.

    Attributes:
        project: of W&B.
        entity: user or team; None for the default.
        online: whether it went to the server.
    """

    project: str
    entity: str | None
    online: bool


def note_mirrored(run: Path, place: Place, names: Collection[str]) -> None:
    """Note in the folder of a run that has come to its end what it holds.

    Raises:
        OSError: the folder cannot be written.
    """
    partial = run / f".{NOTE}.partial"
    write_json(partial, _FORMAT, {**place._asdict(), "names": sorted(names)})
    partial.rename(run / NOTE)


def find_mirrored(runs: Path, places: Collection[Place], names: Collection[str]) -> Path | None:
    """A run in one of some places that holds everything of these names; None where there is none.

    Args:
        runs: the folder of runs, as W&B makes it.
        places: that count.
        names: what is looked for.
    """
    for run in sorted(runs.glob("*run-*"), reverse=True):
        for place, held in _notes(run / NOTE):
            if place in places and held.issuperset(names):
                return run
    return None


def _notes(path: Path) -> Iterator[tuple[Place, frozenset[str]]]:
    """What a note says; nothing where there is none that can be read."""
    try:
        stored = read_json(path, "what W&B holds", _FORMAT, [*Place._fields, "names"], "It is not needed.")
        yield Place(*(stored[name] for name in Place._fields)), frozenset(map(str, stored["names"]))
    except (UserError, TypeError):
        return
