"""`ccps import`: a run that `ccps export` has put into a file."""

from argparse import ArgumentParser, Namespace

from ccps.cli.command import Answer, Command, register
from ccps.cli.places import add_places, artifacts_of
from ccps.cli.tables import several
from ccps.core.bundle import import_run
from ccps.core.places import local_path
from ccps.core.text import byte_size


def arguments_of(parser: ArgumentParser) -> None:
    """The file, and where it goes."""
    parser.add_argument("file", metavar="FILE.tar", help="written by `ccps export`")
    add_places(parser)


def run(arguments: Namespace) -> Answer:
    """Check the file and put in place what it holds."""
    found = import_run(local_path(arguments.file), artifacts_of(arguments), local_path(arguments.outputs))
    new = len(found.artifacts) - len(found.present)
    lines = [
        f"{found.name}: {several(new, 'artifact')} new, {len(found.present)} there already, {byte_size(found.n_bytes)}",
        f"open {found.output / 'report.html'}" if found.output else f"Go on with it: ccps run {found.name}",
    ]
    data = {"run": found.name, "output": str(found.output.absolute()) if found.output else None}
    return Answer({**data, "artifacts": found.artifacts, "present": found.present}, lines)


register(
    Command(
        name="import",
        place=81,
        summary="Take a run from such a file",
        description=(
            "Nothing is put in place before all of it was read and its hashes agree; paths that would lead out of the\n"
            "two folders, links and devices are refused. Artifacts that are there already stay."
        ),
        examples={"ccps import smoke.tar": "into artifacts/ and outputs/ of the current folder"},
        arguments=arguments_of,
        run=run,
    )
)
