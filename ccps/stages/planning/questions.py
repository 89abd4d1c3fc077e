"""The questions of a plan: those of a run, and where a benchmark cannot be had, as many of such a length."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ccps.core.errors import UserError
from ccps.data.benchmarks import load_questions
from ccps.data.records import Question
from ccps.data.sampling import sample
from ccps.reasoning.tasks import LoadedTask, load_task
from ccps.settings.benchmark import BenchmarkSpec
from ccps.settings.experiment import Config
from ccps.settings.faithful.task import TaskSpec
from ccps.settings.plan import AssumedQuestions
from ccps.stages.main.drawn import AllQuestions
from ccps.stages.main.questions import all_questions, size_of_test

OTHERS = "others"
# A word and the space before it: four characters, and one token of any tokenizer.
_WORD = " one"
_OPTIONS = 4


class PlannedQuestions(NamedTuple):
    """What is asked.

    Attributes:
        questions: as a run has them.
        assumed: names of benchmarks that could not be had.
    """

    questions: AllQuestions
    assumed: tuple[str, ...]


def planned_questions(config: Config, assumed: Mapping[str, AssumedQuestions]) -> PlannedQuestions:
    """The questions of an experiment; where a benchmark cannot be had, stand-ins of the number and length assumed.

    Then training questions that stand in a test are not left out, so that their number may be a little too high.

    Args:
        config: the experiment.
        assumed: see `PlanConfig.questions`.
    """
    try:
        return PlannedQuestions(all_questions(config, judged=False), ())
    except UserError:
        absent: list[str] = []
        tests = {
            name: sample(
                _loaded(spec, assumed, absent),
                per_subject=size_of_test(config, name),
                order=config.sampling.order,  # type: ignore[arg-type]
                seed=config.sampling.seed,
            )
            for name, spec in config.test.items()
        }
        pools = [_loaded(spec, assumed, absent) for spec in config.train.values() if spec.format in config.tested]
        trains = {
            form: sample(
                [question for pool in pools for question in pool if question.format == form],
                total=config.sampling.train_total,
                order=config.sampling.order,  # type: ignore[arg-type]
                seed=config.sampling.seed,
                remainder=config.sampling.remainder,  # type: ignore[arg-type]
            )
            for form in sorted(config.trained & config.tested)
        }
        if not absent:
            raise  # the questions are there, and something else is wrong with them
        return PlannedQuestions(AllQuestions(trains, tests, [], []), tuple(absent))


def _loaded(spec: BenchmarkSpec, assumed: Mapping[str, AssumedQuestions], absent: list[str]) -> list[Question]:
    try:
        return list(load_questions(spec).questions)
    except UserError:
        absent.append(spec.name)
        return stand_ins(spec.name, spec.format, spec.split, assumed)


def planned_task(assumed: Mapping[str, AssumedQuestions], absent: list[str]) -> Callable[[TaskSpec], LoadedTask]:
    """Loads a reasoning task, or takes stand-ins for its questions, and notes its name among those absent."""

    def load(spec: TaskSpec) -> LoadedTask:
        try:
            return load_task(spec)
        except UserError:
            absent.append(spec.name)
            found = stand_ins(spec.name, "mc" if spec.answer == "option" else "oe", "test", assumed)
            return LoadedTask(found[: spec.n], {})

    return load


def stand_ins(name: str, form: str, split: str, assumed: Mapping[str, AssumedQuestions]) -> list[Question]:
    """As many questions as are assumed of a benchmark, each of so many words.

    Args:
        name: of the benchmark.
        form: "mc" or "oe".
        split: of the benchmark.
        assumed: by name, and under `OTHERS` for all others.
    """
    wanted = assumed.get(name, assumed.get(OTHERS, AssumedQuestions()))
    options = tuple(f"option{_WORD}" for _ in range(_OPTIONS)) if form == "mc" else ()
    words = _WORD * max(1, wanted.tokens - 3 * len(options))
    # The number comes first, lest all begin alike and most of each be read once for all.
    return [
        Question(f"{name}/{index}", name, f"{index}{words}", options, ("a",), split, name) for index in range(wanted.n)
    ]
