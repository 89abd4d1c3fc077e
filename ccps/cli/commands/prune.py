"""`ccps prune`: delete what nothing refers to."""

import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from ccps.cli.command import Answer, Command, register
from ccps.cli.commands.ls import described
from ccps.cli.places import add_places, store_of
from ccps.cli.tables import age, columns, several
from ccps.core.errors import UserError, expected
from ccps.core.holdings import Holding, Store
from ccps.core.listing import left_overs
from ccps.core.text import byte_size


def arguments_of(parser: ArgumentParser) -> None:
    """What is to go, and whether to ask."""
    parser.add_argument(
        "--all", action="store_true", help="also what unfinished runs need: all that no report is made of"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_places(parser)


def run(arguments: Namespace) -> Answer:
    """Show what nothing refers to, ask, and delete it."""
    store = store_of(arguments)
    found = _unneeded(store, everything=arguments.all)
    left = left_overs(store.root)
    if not found and not left:
        return Answer(_data([], []), ["There is nothing that nothing refers to."])
    size = byte_size(sum(one.n_bytes for one in found))
    question = f"Delete {several(len(found), 'artifact')}, {size}, from {store.root}?"
    if not arguments.yes and not _agreed([*_shown(found), question]):
        return Answer(_data([], []), ["Nothing was deleted."])
    # A run may have begun meanwhile, and read what nothing referred to before.
    still = {one.name for one in _unneeded(Store(store.root, store.outputs), everything=arguments.all)}
    gone, kept = [], []
    for one in found:
        try:
            if one.name not in still:
                raise UserError(f"{one.name} is needed by a run that has begun meanwhile.")
            one.artifact.remove()
            gone.append(one)
        except UserError as error:
            kept.append(str(error))
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    freed = byte_size(sum(one.n_bytes for one in gone))
    return Answer(_data(gone, kept), [f"Deleted {several(len(gone), 'artifact')}, {freed}.", *kept], 2 if kept else 0)


def _unneeded(store: Store, *, everything: bool) -> list[Holding]:
    return [one for one in store.holdings if one.state == "stale" or (everything and one.state == "unfinished")]


def _shown(held: Sequence[Holding]) -> list[str]:
    rows = [[one.name, byte_size(one.n_bytes), age(one.changed), one.state] for one in held]
    return list(columns(["artifact", "size", "age", "state"], rows, right=(1,)))


def _agreed(lines: Sequence[str]) -> bool:
    """Whether the person at the terminal says yes.

    Raises:
        UserError: there is none.
    """
    for line in lines:
        print(line, file=sys.stderr)
    if not sys.stdin.isatty():
        raise expected("`ccps prune`", "asked by somebody who can answer", "no terminal", "Give --yes to delete this.")
    print("[y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _data(gone: Sequence[Holding], kept: Sequence[str]) -> dict[str, Any]:
    return {
        "deleted": [described(one) for one in gone],
        "bytes": sum(one.n_bytes for one in gone),
        "not_deleted": list(kept),
    }


register(
    Command(
        name="prune",
        place=70,
        summary="Delete what nothing refers to",
        description=(
            "Shows what it would delete, and asks. What a report was made of stays, as does what an unfinished run\n"
            "needs; what a running process writes is never touched."
        ),
        examples={
            "ccps prune": "show, ask, delete",
            "ccps prune --yes": "do not ask",
            "ccps prune --all": "also what runs that were stopped would go on from",
        },
        arguments=arguments_of,
        run=run,
    )
)
