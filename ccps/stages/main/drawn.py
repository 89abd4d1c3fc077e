"""The questions of an experiment once they are drawn, and how they are kept for the next run."""

import hashlib
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ccps import data
from ccps.assets import catalogue as assets
from ccps.core.kept import kept
from ccps.core.keys import digest
from ccps.data.records import Question
from ccps.settings import benchmark
from ccps.settings.benchmark import BenchmarkSpec
from ccps.settings.experiment import Config
from ccps.stages.main.runs import Count, train_label

FOLDER = "drawn"


class Overlap(NamedTuple):
    """What a test benchmark has in common with the training benchmarks.

    Attributes:
        benchmark: name of the test.
        shared: training candidates whose text stands in it.
        left_out: how many of these are not trained on.
        alike: training questions that share half of their wording with one of its questions, see `near_twins`.
    """

    benchmark: str
    shared: int
    left_out: int
    alike: int


class AllQuestions(NamedTuple):
    """What is asked.

    Attributes:
        trains: training questions by format, of the formats that are tested.
        tests: test questions by benchmark.
        overlaps: by test benchmark.
        left_out: everything that is not asked, and why.
    """

    trains: Mapping[str, Sequence[Question]]
    tests: Mapping[str, Sequence[Question]]
    overlaps: Sequence[Overlap]
    left_out: Sequence[Count]

    @property
    def by_label(self) -> dict[str, Sequence[Question]]:
        """All of them: training questions by `train_label`, test questions by benchmark."""
        return {train_label(form): group for form, group in self.trains.items()} | dict(self.tests)


class Drawn(NamedTuple):
    """What is asked, and what a run says of it.

    Attributes:
        questions: what is asked.
        sizes: how many of how many, in words.
        dropped: training candidates that stand in a test.
    """

    questions: AllQuestions
    sizes: str
    dropped: int


def drawn_before(config: Config, draw: Callable[[], Drawn]) -> Drawn:
    """The questions as an earlier run of the experiment has drawn them, if nothing that decides them has changed.

    Reading tens of thousands of records takes seconds. They are kept beside the assets they came from, in a file of the
    experiment's name. What is the user's own, or may change where it lies, is read each time.
    """
    specs = [*config.train.values(), *config.test.values()]
    if not all(_is_fixed(spec) for spec in specs):
        return draw()
    path = assets.cache_folder() / FOLDER / f"{config.experiment}.json"
    return kept(path, _key(config, specs), draw, write=_plain, read=_restored)


def _is_fixed(spec: BenchmarkSpec) -> bool:
    """Whether the same records are read each time, and without a word: tables may be told to be in another encoding."""
    return spec.source == "asset" and spec.loader != "table"


def _key(config: Config, specs: Sequence[BenchmarkSpec]) -> str:
    """All that decides which questions are drawn, the code that reads and draws them included."""
    return digest(
        {
            "train": [[name, asdict(spec)] for name, spec in config.train.items()],
            "test": [[name, asdict(spec)] for name, spec in config.test.items()],
            "sampling": asdict(config.sampling),
            "assets": {spec.location: assets.find(spec.location).sha256 for spec in specs},
            "code": {path.name: hashlib.blake2b(path.read_bytes()).hexdigest() for path in _code()},
            "versions": [sys.version, unicodedata.unidata_version, np.__version__],
        }
    )


def _code() -> Iterator[Path]:
    """The modules that make records questions and choose among them."""
    for folder in data.__path__:
        yield from sorted(Path(folder).glob("*.py"))
    yield from (Path(str(benchmark.__file__)), Path(__file__), Path(__file__).with_name("questions.py"))


def _plain(drawn: Drawn) -> Any:
    found = drawn.questions
    return {
        "trains": [[form, [asdict(question) for question in group]] for form, group in found.trains.items()],
        "tests": [[name, [asdict(question) for question in group]] for name, group in found.tests.items()],
        "overlaps": found.overlaps,
        "left_out": found.left_out,
        "sizes": drawn.sizes,
        "dropped": drawn.dropped,
    }


def _restored(values: Any) -> Drawn:
    trains, tests = ({label: [*map(_question, group)] for label, group in values[side]} for side in ("trains", "tests"))
    overlaps = [Overlap(*overlap) for overlap in values["overlaps"]]
    left_out = [Count(*count) for count in values["left_out"]]
    return Drawn(AllQuestions(trains, tests, overlaps, left_out), values["sizes"], values["dropped"])


def _question(values: Mapping[str, Any]) -> Question:
    return Question(**{**values, "options": tuple(values["options"]), "accepted": tuple(values["accepted"])})
