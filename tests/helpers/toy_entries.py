"""Every entry point with a small command line of its own, each run in a process that has all modules loaded already."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tiny import Tiny, benchmark, write_questions
from tiny_faithful import TinyFaithful, write_sums
from tiny_rollouts import MODELS, row, write_file
from toy_jobs import SHORT, SWEEP

NAMES = ("reproduce", "sweep", "faithful", "faithful_rollouts", "probes", "bench", "sensitivity", "deliberation")
GO_ON = "Stopped. Run the same command again to go on from the last whole shard."
ANEW = "Stopped. Nothing was written; the same command begins anew."
FROM_PAGE = "Stopped. The parts that are done stand on the page; `parts=[…]` measures the others."


class ToyEntry(NamedTuple):
    """An entry point.

    Attributes:
        module: of `experiments`.
        overrides: its command line, for a folder.
        last_words: when it is told to stop.
        measures: whether what it writes are times, which no two runs share.
    """

    module: str
    overrides: Callable[[Path], list[str]]
    last_words: str = GO_ON
    measures: bool = False

    def run(self, folder: Path) -> None:
        """Run it as the command line does."""
        sys.argv = [f"experiments.{self.module}", *self.overrides(folder)]
        runpy.run_module(f"experiments.{self.module}", run_name="__main__")


def toy_entries(questions: Path) -> dict[str, ToyEntry]:
    """All of them by name; what they ask lies in a folder."""
    for number, name in enumerate(("trees", "birds")):
        write_questions(questions / f"{name}.jsonl", 24, number)
    write_questions(questions / "boats.jsonl", 12, 3)
    sums = write_sums(questions / "sums.jsonl")
    traces = write_file(
        questions / "traces.jsonl.gz",
        *(row(model, problem, right) for model in MODELS for problem in range(12) for right in (True, False)),
    )

    def main(folder: Path, *more: str) -> list[str]:
        return _last_of_each(Tiny(folder, questions).overrides(*SHORT, *more))

    def study(page: str) -> ToyEntry:
        given = [f"rollouts.path={traces}", f"page={page}"]
        return ToyEntry("rollouts", lambda folder: [*given, f"output={folder / 'output'}"], ANEW)

    return {
        "reproduce": ToyEntry("reproduce", main),
        "sweep": ToyEntry("sweep", lambda folder: main(folder, "sweep=smoke", *SWEEP)),
        "faithful": ToyEntry("faithful", lambda folder: TinyFaithful(folder, sums).overrides()),
        "faithful_rollouts": ToyEntry("faithful", lambda folder: _rollouts(folder, traces)),
        "probes": ToyEntry("probes", lambda folder: _probes(Tiny(folder, questions))),
        "bench": ToyEntry("bench", lambda folder: _bench(folder, questions), FROM_PAGE, measures=True),
        "sensitivity": study("sensitivity"),
        "deliberation": study("deliberation"),
    }


def _last_of_each(overrides: list[str]) -> list[str]:
    return list({text.split("=", 1)[0]: text for text in overrides}.values())


def _rollouts(folder: Path, traces: Path) -> list[str]:
    return [
        "experiment=faithful_rollouts",
        f"faithful.rollouts.path={traces}",
        "faithful.scoring.resamples=20",
        "trainer=cpu",
        "logger=none",
        f"paths.artifacts={folder / 'artifacts'}",
        f"paths.output={folder / 'output'}",
    ]


def _probes(tiny: Tiny) -> list[str]:
    birds = f"+train.birds={benchmark(tiny.questions / 'birds.jsonl')}"
    choice = ("choice.sizes=[20]", "choice.draws=1", "choice.seeds=[23,24]", "choice.formats=[mc]")
    given = tiny.overrides(birds, *choice, "choice.recipes=[logistic,auto]")
    return [text for text in _last_of_each(given) if not text.startswith("method=")]


def _bench(folder: Path, questions: Path) -> list[str]:
    return [
        "model=[tiny_random]",
        "model@sizes=[]",
        "benchmark@test=[]",
        f"+test.boats={benchmark(questions / 'boats.jsonl')}",
        "parts=[features,scoring]",
        "quick=true",
        "questions=8",
        "repetitions=1",
        "threads=1",
        f"output={folder / 'output'}",
        f"reproduced={folder / 'output'}",
    ]
