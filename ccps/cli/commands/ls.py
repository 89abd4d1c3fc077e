"""`ccps ls`: what is stored, of which experiments, and whether anything refers to it."""

from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from ccps.cli.command import Answer, Command, register
from ccps.cli.places import add_places, store_of
from ccps.cli.tables import age, columns, several
from ccps.core.holdings import Holding, Output, Store
from ccps.core.text import byte_size

_NOBODY = "(nothing)"


def arguments_of(parser: ArgumentParser) -> None:
    """The folders, and which part of them."""
    parser.add_argument(
        "run", nargs="?", help="an experiment, or the path of its output: its artifacts alone, one by one"
    )
    parser.add_argument("--stale", action="store_true", help="what nothing refers to alone, one by one")
    add_places(parser)


def run(arguments: Namespace) -> Answer:
    """List what there is."""
    store = store_of(arguments)
    held = store.holdings
    if arguments.run is not None:
        named = store.run(arguments.run).name
        held = [one for one in held if named in one.experiments]
    if arguments.stale:
        held = [one for one in held if one.state == "stale"]
    each = arguments.stale or arguments.run is not None
    lines = _single(held) if each else [*_by_run(store), "", *_by_stage(held), "", *_others(store)]
    return Answer(_data(store, held), [*lines, *_sum(held)])


def _by_run(store: Store) -> Iterator[str]:
    rows = []
    for run in store.runs:
        held = [one for one in store.holdings if one.artifact.key in run.used | run.needed]
        size, when = byte_size(sum(one.n_bytes for one in held)), max((one.changed for one in held), default=None)
        rows.append([run.name, _state(run), str(len(held)), size, age(when) if when else ""])
    yield from columns(["run", "state", "artifacts", "size", "last written"], rows, right=(2, 3))


def _state(run: Output) -> str:
    if run.has_report:
        return "report" if run.finished else "report, and an unfinished run"
    return "report deleted" if run.finished else "unfinished"


def _by_stage(held: Sequence[Holding]) -> Iterator[str]:
    groups: dict[tuple[str, str], list[Holding]] = defaultdict(list)
    for one in held:
        groups[one.artifact.stage, ", ".join(one.experiments) or _NOBODY].append(one)
    rows = [
        [stage, of, str(len(ones)), byte_size(sum(one.n_bytes for one in ones)), _states(ones)]
        for (stage, of), ones in groups.items()
    ]
    yield from columns(["stage", "of", "artifacts", "size", "state"], rows, right=(2, 3))


def _states(held: Sequence[Holding]) -> str:
    parts = [(state, sum(one.state == state for one in held)) for state in ("used", "unfinished", "stale")]
    parts.append(("not complete", sum(not one.complete for one in held)))
    return ", ".join(name if number == len(held) else f"{number} {name}" for name, number in parts if number)


def _single(held: Sequence[Holding]) -> Iterator[str]:
    rows = [
        [
            one.name,
            byte_size(one.n_bytes),
            age(one.changed),
            "complete" if one.complete else "not complete",
            one.state,
            ", ".join(one.experiments) or _NOBODY,
        ]
        for one in held
    ]
    yield from columns(["artifact", "size", "age", "", "state", "of"], rows, right=(1,))


def _others(store: Store) -> Iterator[str]:
    for name, size in store.others().items():
        yield f"Beside them {store.root / name} holds {byte_size(size)} (no artifacts)."


def _sum(held: Sequence[Holding]) -> Iterator[str]:
    stale = [one for one in held if one.state == "stale"]
    yield f"{several(len(held), 'artifact')}, {byte_size(sum(one.n_bytes for one in held))}."
    if stale:
        size = byte_size(sum(one.n_bytes for one in stale))
        yield f"{several(len(stale), 'artifact')} ({size}) nothing refers to: ccps prune"


def _data(store: Store, held: Sequence[Holding]) -> dict[str, Any]:
    return {
        "artifacts_folder": str(store.root.absolute()),
        "outputs_folder": str(store.outputs.absolute()),
        "runs": [
            {"name": run.name, "output": str(run.folder), "report": run.has_report, "finished": run.finished}
            for run in store.runs
        ],
        "artifacts": [described(one) for one in held],
        "others": store.others(),
    }


def described(one: Holding) -> dict[str, Any]:
    """An artifact for machines."""
    return {
        "stage": one.artifact.stage,
        "key": one.artifact.key,
        "bytes": one.n_bytes,
        "changed": one.changed,
        "complete": one.complete,
        "state": one.state,
        "runs": list(one.experiments),
    }


register(
    Command(
        name="ls",
        place=60,
        summary="List what is stored, and what nothing refers to",
        description=(
            "An artifact is used where a report was made of it, directly or by way of others; unfinished where a run\n"
            "that was stopped needs it; stale otherwise."
        ),
        examples={
            "ccps ls": "runs, and artifacts by stage",
            "ccps ls smoke": "each artifact of one run",
            "ccps ls --stale": "what `ccps prune` would delete",
        },
        arguments=arguments_of,
        run=run,
    )
)
