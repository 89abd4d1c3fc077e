"""Where commands look for what runs have stored."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ccps.core.errors import expected
from ccps.core.holdings import Store
from ccps.core.places import local_path


def add_places(parser: ArgumentParser) -> None:
    """Take the two folders, by default those of a run in the current one (`paths.artifacts`, `paths.output`)."""
    parser.add_argument("--artifacts", default="artifacts", metavar="FOLDER", help="what stages have computed")
    parser.add_argument("--outputs", default="outputs", metavar="FOLDER", help="reports, a folder each")


def store_of(arguments: Namespace, *, there: bool = True) -> Store:
    """What is stored in them.

    Args:
        arguments: with what `add_places` takes.
        there: whether a folder of artifacts is needed.

    Raises:
        UserError: there is none; or a file in them cannot be read.
    """
    root: Path = local_path(arguments.artifacts)
    if there and not root.is_dir():
        way_out = "Go to the folder that `ccps run` was started in, or name it: --artifacts FOLDER."
        raise expected("the folder of artifacts", "there", f"none at {root.absolute()}", way_out)
    return Store(root, local_path(arguments.outputs))
