"""`ccps export`: a run with all its artifacts in one file."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ccps.cli.command import Answer, Command, register
from ccps.cli.places import add_places, store_of
from ccps.cli.tables import several
from ccps.core.bundle import export_run
from ccps.core.text import byte_size


def arguments_of(parser: ArgumentParser) -> None:
    """The run and the file."""
    parser.add_argument("run", help="an experiment, or the path of its output")
    parser.add_argument("file", metavar="FILE.tar", help="a new file")
    add_places(parser)


def run(arguments: Namespace) -> Answer:
    """Write the file."""
    store = store_of(arguments)
    target = Path(arguments.file)
    written = export_run(store, store.run(arguments.run), target)
    line = (
        f"{written.name}: {several(len(written.artifacts), 'artifact')}"
        f"{' and its output' if written.output else ', no output yet'}, {byte_size(written.n_bytes)}, in {target}"
    )
    data = {"run": written.name, "file": str(target.absolute()), "bytes": written.n_bytes}
    return Answer({**data, "artifacts": written.artifacts}, [line, f"There: ccps import {target.name}"])


register(
    Command(
        name="export",
        place=80,
        summary="Put a run with all its artifacts into one file",
        description="Every file goes with its hash. An unfinished run may be moved too, and is gone on with elsewhere.",
        examples={"ccps export smoke smoke.tar": "outputs/smoke and all that it was made of"},
        arguments=arguments_of,
        run=run,
    )
)
