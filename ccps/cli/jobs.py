"""The entry points as commands: any folder, any experiment by its bare name."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ccps.cli.command import Answer
from ccps.core.errors import expected
from ccps.core.objects import is_url

Settings = dict[str, Any]
Main = Callable[[Settings], None]

WHAT = """\
Without an experiment it is that of conf/{config}.yaml. Any setting is given as key=value, with -m several one after
another; --config-dir FOLDER adds configurations of your own, laid out like conf/. Results go to artifacts/ and
outputs/ in the current folder (paths.artifacts, paths.output). The same command goes on from where it was stopped."""


def job_arguments(parser: ArgumentParser) -> None:
    """What every job takes beside settings and Hydra's own flags."""
    parser.usage = f"{parser.prog} [EXPERIMENT] [KEY=VALUE ...] [-m] [--cfg job] [--config-dir FOLDER] [--json]"
    parser.add_argument(
        "--settings", action="store_true", help="every group and setting with its value, meaning and range"
    )


def run_job(name: str, arguments: Namespace, start: Callable[[Main], None], main: Main) -> Answer:
    """Run an entry point.

    Args:
        name: of the command, by which other processes of the same run are started.
        arguments: of the command line; `rest` holds what is Hydra's.
        start: hands what it is given to `launch`.
        main: of the entry point.

    Raises:
        UserError: as the entry point does.
    """
    given = [*with_experiment(arguments.rest), *(["--help"] if arguments.settings else [])]
    if arguments.json:
        _check_told(given)
    done: list[Settings] = []

    def noted(settings: Settings) -> None:
        # Other processes of this run are started by the same command line; Hydra has had its own in between.
        sys.argv[1:] = [name, *given]
        main(settings)
        done.append(settings)

    sys.argv[1:] = given
    start(noted)
    return Answer({"runs": [_told(settings) for settings in done]})


def with_experiment(given: Sequence[str]) -> list[str]:
    """A command line of Hydra's in which a bare name has become `experiment=NAME`.

    Raises:
        UserError: there are several names, or there is an experiment beside it.
    """
    from hydra._internal.utils import get_args_parser

    overrides = get_args_parser().parse_intermixed_args(list(given)).overrides
    names = [text for text in overrides if "=" not in text and not text.startswith("~")]
    others = [text for text in overrides if text.partition("=")[0].lstrip("+") == "experiment"]
    if len(names) + len(others) > 1 and names:
        way_out = "Settings are given as key=value; values with spaces want quotes."
        raise expected("the experiment", "one name", " and ".join([*names, *others]), way_out)
    return [f"experiment={text}" if text in names else text for text in given]


def _check_told(given: Sequence[str]) -> None:
    """Refuse to say in JSON what is not known here: jobs of other machines, and pages that are printed."""
    for text in given:
        key, _, value = text.partition("=")
        shows = key in ("--cfg", "-c", "--info", "-i", "--help", "--hydra-help")
        elsewhere = key.lstrip("+") in ("launcher", "hydra/launcher") and value != "basic"
        if shows or elsewhere:
            raise expected("--json", "left out", f"it beside `{text}`", "It tells of runs in this process alone.")


def _told(settings: Settings) -> dict[str, Any]:
    output = Path(settings["paths"]["output"]).absolute()
    page = output / "report.html"
    return {
        "experiment": settings["experiment"],
        "output": str(output),
        "report": str(page) if page.exists() else None,
        "artifacts": kept if is_url(kept := settings["paths"]["artifacts"]) else str(Path(kept).absolute()),
    }
