"""The main job, a sweep and a faithful run on toys, each in a process of its own that may be killed at any moment."""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from composing import composed
from tiny import Tiny, write_questions
from tiny_faithful import TinyFaithful, write_sums

from ccps.core.artifact_writing import WritableArtifact
from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.pipeline import provenance
from ccps.stages.sweep.checks import to_sweep
from experiments import faithful, reproduce, sweep

Settings = dict[str, Any]

NO_CONTENT = ("costs.csv", "run.json")
"""What alone of an output folder may differ between runs that read the same artifacts."""

SHORT = (
    "method=[entropy,answer_probability,ccps_logistic]",
    "answering.shard_questions=8",
    "answering.max_batch_tokens=1024",
    "evaluation.resamples=20",
)
SWEEP = (
    "sweep.mc={radii:[5,20],steps:[5],directions:[gradient],training_steps:4}",
    "sweep.folds=2",
    "sweep.chosen_seeds=[23]",
    "sweep.at_chance=keep",
)


@dataclass(frozen=True)
class ToyJob:
    """A job of a few seconds.

    Attributes:
        name: of the job.
        main: what runs it.
        settings: as the command line composes them, but for the folders.
    """

    name: str
    main: Callable[[Settings], None]
    settings: Settings

    def run(self, folder: Path, store: str | None = None) -> None:
        """Run it in this process; artifacts and output lie in the folder, or artifacts in a store."""
        cache = {"cache": str(folder / "cache")} if store is not None else {}
        places = {"artifacts": store or str(folder / "artifacts"), "output": str(folder / "output"), **cache}
        self.main({**self.settings, "paths": {**self.settings["paths"], **places}})


@dataclass(frozen=True)
class Whole:
    """A job that was run without a fault. Leave its files as they are.

    Attributes:
        job: that was run.
        folder: of its artifacts and output.
        output: what its output holds but costs and the record of the run.
        events: every change of a file that it made, by its kind.
        seconds: of computing.
    """

    job: ToyJob
    folder: Path
    output: dict[str, bytes]
    events: list[str]
    seconds: float


def toy_jobs(folder: Path) -> dict[str, ToyJob]:
    """All three, their questions in a folder."""
    write_questions(folder / "trees.jsonl", 24, seed=1)
    write_questions(folder / "boats.jsonl", 12, seed=2)
    nowhere = folder / "nowhere"
    tiny, thinking = Tiny(nowhere, folder), TinyFaithful(nowhere, write_sums(folder / "sums.jsonl"))
    return {
        "main": ToyJob("main", reproduce.main, tiny.settings(*SHORT)),
        "sweep": ToyJob("sweep", sweep.main, _swept(tiny)),
        "faithful": ToyJob("faithful", faithful.main, thinking.settings()),
    }


def _swept(tiny: Tiny) -> Settings:
    given = {text.split("=", 1)[0]: text for text in tiny.overrides(*SHORT, "sweep=smoke", *SWEEP)}
    return composed(list(given.values()), "sweep", to_sweep)


class Ended(NamedTuple):
    """How a process ended.

    Attributes:
        code: of its exit; minus the signal that killed it.
        said: all that it printed.
    """

    code: int
    said: str


def in_process(work: Callable[[], object], log: Path, prepare: Callable[[], object] = lambda: None) -> Ended:
    """Do something as an entry point does, in a process that has all modules loaded already; see `start`."""
    return wait(start(work, log, prepare), log)


def start(work: Callable[[], object], log: Path, prepare: Callable[[], object] = lambda: None) -> int:
    """Start a process that does something as an entry point does.

    Args:
        work: what to do.
        log: file for what it prints.
        prepare: done before in that process: patches, limits, timers.

    Returns:
        Its number.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _be_child(work, log, prepare)
    return child


def wait(child: int, log: Path) -> Ended:
    """Wait until a process has ended."""
    _, status = os.waitpid(child, 0)
    return Ended(os.waitstatus_to_exitcode(status), log.read_text(encoding="utf-8", errors="replace"))


def _be_child(work: Callable[[], object], log: Path, prepare: Callable[[], object]) -> NoReturn:
    code = 70
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        be_the_same_each_time()
        prepare()
        work()
        code = 0
    except UserError as error:
        print(error, file=sys.stderr)
        code = 2
    except SystemExit as ended:  # as an entry point has put it into words and a number
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # without what pytest would do at the end of its process


def be_the_same_each_time() -> None:
    """Have every shard cost the same, and the code be of one commit: pages show both, whoever works on the code now."""
    note = Artifact.add_cost

    def add_cost(self: WritableArtifact, shard: int, *, by: int = 0, **cost: float) -> None:
        fixed = {name: 0.5 if "seconds" in name else value for name, value in cost.items()}
        note(self, shard, by=by, **{**fixed, "peak_memory": 2.0**30})

    Artifact.add_cost = add_cost  # type: ignore[method-assign]
    provenance._commit = lambda: "abc"


def contents(folder: Path, without: tuple[str, ...] = NO_CONTENT) -> dict[str, bytes]:
    """All files below a folder, by their path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in without
    }


def different(own: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """Names of files that are not the same in two folders."""
    return sorted(name for name in {*own, *other} if own.get(name) != other.get(name))


def die() -> NoReturn:
    """End at once, as by a power cut for this process."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def assert_the_same(job: Whole, folder: Path) -> None:
    """A job has left in a folder what it leaves without a fault, and nothing else."""
    assert different(contents(folder / "output"), job.output) == []
    assert {path.name for path in folder.iterdir()} == {"artifacts", "output"}  # nothing half published lies there
    assert not list((folder / "artifacts").rglob("*.partial"))


def copy_artifacts(job: Whole, folder: Path) -> None:
    """Have the artifacts of a job lie in a folder of their own."""
    shutil.copytree(job.folder / "artifacts", folder / "artifacts")
