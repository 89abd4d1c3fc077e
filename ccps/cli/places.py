"""Where commands look for what runs have stored."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ccps.core.errors import expected
from ccps.core.holdings import Store
from ccps.core.objects import copy_of, is_url
from ccps.core.places import local_path


def add_places(parser: ArgumentParser) -> None:
    """Take the two folders, by default those of a run in the current one (`paths.artifacts`, `paths.output`)."""
    parser.add_argument("--artifacts", default="artifacts", metavar="FOLDER", help="what stages have computed")
    parser.add_argument("--outputs", default="outputs", metavar="FOLDER", help="reports, a folder each")


def artifacts_of(arguments: Namespace) -> Path:
    """The folder of artifacts, whether it is there or not.

    Raises:
        UserError: it is an object store, or holds no more than what is in use of one.
    """
    given: str = arguments.artifacts
    store = given if is_url(given) else copy_of(local_path(given))
    if store is not None:
        got = f"the object store {store}" if is_url(given) else f"one with parts of the object store {store}"
        way_out = (
            "Copy what you want of it, file for file, with a tool of the store (`aws s3 sync`): that is a folder of "
            "artifacts. A run, and `ccps plan`, read the store itself."
        )
        raise expected("--artifacts", "a folder of this machine that holds artifacts", got, way_out)
    return local_path(given)


def store_of(arguments: Namespace, *, there: bool = True) -> Store:
    """What is stored in them.

    Args:
        arguments: with what `add_places` takes.
        there: whether a folder of artifacts is needed.

    Raises:
        UserError: there is none, see `artifacts_of`; or a file in them cannot be read.
    """
    root = artifacts_of(arguments)
    if there and not root.is_dir():
        way_out = "Go to the folder that `ccps run` was started in, or name it: --artifacts FOLDER."
        raise expected("the folder of artifacts", "there", f"none at {root.absolute()}", way_out)
    return Store(root, local_path(arguments.outputs))
