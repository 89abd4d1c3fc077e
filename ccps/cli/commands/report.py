"""`ccps report`: where the report of a run lies, and what it says first."""

import re
import webbrowser
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ccps.cli.command import Answer, Command, register
from ccps.cli.places import add_places, store_of
from ccps.core.errors import UserError, expected
from ccps.core.holdings import Output, Store
from ccps.core.run_record import RunRecord

_PAGE = "report.html"
# Of each job: its entry point, and the stage that writes its report.
_JOBS = {"sweep_report": "sweep", "faith_report": "faithful", "report": "reproduce"}


def arguments_of(parser: ArgumentParser) -> None:
    """The run, and what to do with its page."""
    parser.add_argument("run", nargs="?", help="an experiment, or the path of its output; by default all")
    parser.add_argument("--open", action="store_true", help="show the page in a browser")
    parser.add_argument("--again", action="store_true", help="write it anew by the code that is installed")
    add_places(parser)


def run(arguments: Namespace) -> Answer:
    """Find the page, or make it of what is stored."""
    store = store_of(arguments, there=False)
    if arguments.run is None:
        return _all(store, arguments)
    found = store.run(arguments.run)
    if arguments.again or not (found.folder / _PAGE).exists():
        _make(store, found)
    page = found.folder / _PAGE
    if arguments.open and not webbrowser.open(page.absolute().as_uri()):
        raise expected("a browser", "there to open the page", "none", f"Open {page} yourself.")
    return Answer({"runs": [_told(found)]}, [str(page), headline(found.folder)])


def headline(folder: Path) -> str:
    """What a report says first; empty where it says nothing, or there is none."""
    path = folder / "report.md"
    bold = re.search(r"^\*\*(.+)\*\*$", path.read_text(encoding="utf-8"), re.MULTILINE) if path.exists() else None
    return re.sub(r"\\(.)", r"\1", bold[1]) if bold else ""


def _all(store: Store, arguments: Namespace) -> Answer:
    """Every report there is."""
    if arguments.open or arguments.again:
        raise expected("`ccps report`", "told which", "none", "Name a run: ccps report NAME --open.")
    found = [run for run in store.runs if (run.folder / _PAGE).exists()]
    lines = [line for run in found for line in (str(run.folder / _PAGE), headline(run.folder), "")]
    none = f"There is no report in {store.outputs}. `ccps run smoke` makes one in minutes."
    return Answer({"runs": [_told(run) for run in found]}, lines[:-1] or [none])


def _told(run: Output) -> dict[str, Any]:
    page = (run.folder / _PAGE).absolute()
    return {"name": run.name, "report": str(page), "headline": headline(run.folder)}


def _make(store: Store, run: Output) -> None:
    """Have the stage that writes the report do so; all that it reads has to be there.

    Raises:
        UserError: it is not, or nobody knows with which settings it was made.
    """
    if run.record is None:
        way_out = "Run the experiment again: what is stored is used."
        raise expected(f"the run `{run.name}`", "one whose settings are noted", "none", way_out)
    stage, job = _job(run.record)
    lacking = [name for name in run.record.artifacts if not _is_there(store, name) and name.split("/")[0] != stage]
    if lacking:
        way_out = f"Run it to its end first: {len(lacking)} are missing."
        raise expected(f"the artifacts of `{run.name}`", "complete", f"no {lacking[0]}", way_out)
    settings = {
        **run.record.settings,
        "stages": [stage] if job != "sweep" else ["report"],
        "paths": {"artifacts": str(store.root), "output": str(run.folder), "wandb": str(store.root)},
        "logger": {**run.record.settings["logger"], "mode": "disabled"},
    }
    _main(job)(settings)


def _job(record: RunRecord) -> tuple[str, str]:
    for stage, job in _JOBS.items():
        if any(name.split("/")[0] == stage for name in record.artifacts):
            return stage, job
    raise UserError(f"The run of {record.output} has not come so far as to have a report. Go on with it first.")


def _is_there(store: Store, name: str) -> bool:
    artifact = store.artifacts.get(name.split("/")[-1])
    return artifact is not None and artifact.complete


def _main(job: str) -> Any:
    from importlib import import_module

    return import_module(f"experiments.{job}").main


register(
    Command(
        name="report",
        place=50,
        summary="Say where a report lies, and what it says first",
        description=(
            "Where the page was deleted, or with --again, it is made anew of what is stored and of the questions: no\n"
            "model is asked, and nothing is fitted."
        ),
        examples={
            "ccps report": "all reports in outputs/",
            "ccps report smoke": "the path of one, and its headline",
            "ccps report smoke --open": "in a browser",
        },
        arguments=arguments_of,
        run=run,
    )
)
