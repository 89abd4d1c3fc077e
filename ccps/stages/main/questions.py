"""The questions of an experiment: loaded, sampled, and those of a test kept out of training."""

from collections.abc import Mapping, Sequence

from ccps.core.console import say
from ccps.core.errors import expected
from ccps.data.benchmarks import Loaded, load_questions
from ccps.data.records import Question
from ccps.data.sampling import deduplicate, near_twins, sample
from ccps.settings.experiment import Config
from ccps.stages.main.drawn import AllQuestions, Drawn, Overlap, drawn_before
from ccps.stages.main.runs import Count, train_label

__all__ = ["AllQuestions", "Overlap", "all_questions"]


def all_questions(config: Config, *, judged: bool) -> AllQuestions:
    """Load and sample the questions of an experiment, or find them as an earlier run has drawn them.

    Args:
        config: the experiment.
        judged: whether intervals will be wanted.

    Raises:
        UserError: a benchmark cannot be loaded, or nothing is left of one.
    """
    found = drawn_before(config, lambda: _draw(config))
    say("questions", config.experiment, found.sizes)
    _check(found.questions, found.dropped, judged=judged)
    return found.questions


def _draw(config: Config) -> Drawn:
    sampling = config.sampling
    tested = {spec.format for spec in config.test.values()}
    loaded_tests = {name: load_questions(spec) for name, spec in config.test.items()}
    sources = {name: load_questions(spec) for name, spec in config.train.items() if spec.format in tested}
    tests = {
        name: sample(
            loaded.questions,
            per_subject=size_of_test(config, name),
            order=sampling.order,  # type: ignore[arg-type]
            seed=sampling.seed,
        )
        for name, loaded in loaded_tests.items()
    }
    # What a test holds beyond its sample counts too: the training set must not depend on the sample's size.
    everything = [question for loaded in loaded_tests.values() for question in loaded.questions]
    candidates = [question for loaded in sources.values() for question in loaded.questions]
    kept, dropped = deduplicate(candidates, everything)
    forms = sorted({spec.format for spec in config.train.values()} & tested)
    candidates_of = {form: [question for question in kept if question.format == form] for form in forms}
    trains = {form: _train_sample(config, group) for form, group in candidates_of.items()}
    overlaps = _overlaps(trains, candidates, loaded_tests)
    whole = {train_label(form): len(group) for form, group in candidates_of.items()}
    whole |= {name: len(loaded.questions) for name, loaded in loaded_tests.items()}
    left_out = _left_out(config, sources | loaded_tests, len(dropped))
    found = AllQuestions(trains, tests, overlaps, left_out)
    left_out += [
        Count(f"questions not drawn of {label}", whole[label] - len(group), f"{_share(group, whole[label])} are asked")
        for label, group in found.by_label.items()
        if len(group) < whole[label]
    ]
    sizes = ", ".join(f"{_share(group, whole[label])} {label}" for label, group in found.by_label.items())
    return Drawn(found, f"{sizes}; {len(dropped)} training candidates stand in a test: left out", len(dropped))


def size_of_test(config: Config, name: str) -> int | None:
    """How many questions of each subject of a test are asked; None: all."""
    sampling = config.sampling
    given = "per_subject" if name in sampling.per_subject else "test_per_subject"
    if config.test[name].is_own and given not in sampling.cuts_own:
        return None
    return sampling.per_subject.get(name, sampling.test_per_subject)


def _train_sample(config: Config, questions: Sequence[Question]) -> list[Question]:
    """Training questions of one format: what is the user's own whole, of the other sources as many as are wanted."""
    sampling = config.sampling
    spares_own = "train_total" not in sampling.cuts_own
    own = {spec.name for spec in config.train.values() if spec.is_own and spares_own}
    drawn = sample(
        [question for question in questions if question.source not in own],
        total=sampling.train_total,
        order=sampling.order,  # type: ignore[arg-type]
        seed=sampling.seed,
        remainder=sampling.remainder,  # type: ignore[arg-type]
    )
    return drawn + sample(
        [question for question in questions if question.source in own],
        order=sampling.order,  # type: ignore[arg-type]
        seed=sampling.seed,
    )


def _share(drawn: Sequence[Question], whole: int) -> str:
    return f"{len(drawn):,}" if len(drawn) == whole else f"{len(drawn):,} of {whole:,}"


def _overlaps(
    trains: Mapping[str, Sequence[Question]], candidates: Sequence[Question], tests: Mapping[str, Loaded]
) -> list[Overlap]:
    trained = [question for group in trains.values() for question in group]
    ids = {question.id for question in trained}
    overlaps = []
    for name, test in tests.items():
        shared = [one.question.id for one in deduplicate(candidates, test.questions).dropped]
        alike = near_twins(trained, test.questions)
        overlaps.append(Overlap(name, len(shared), len(set(shared) - ids), len(alike)))
    return overlaps


def _left_out(config: Config, loaded: Mapping[str, Loaded], dropped: int) -> list[Count]:
    counts = [Count("training questions left out", dropped, "their text stands in a test benchmark too")]
    counts += [
        Count(f"records left out of {name}", number, reason)
        for name, one in loaded.items()
        for reason, number in one.left_out.items()
    ]
    counts += [
        Count(f"questions of {name}", number, reason)
        for name, one in loaded.items()
        for reason, number in one.noted.items()
    ]
    unused = [name for name in config.train if name not in loaded]
    if unused:
        counts.append(
            Count("training benchmarks left out", len(unused), f"no test has their format: {', '.join(unused)}")
        )
    return counts


def _check(questions: AllQuestions, dropped: int, *, judged: bool) -> None:
    """Refuse what would only fail after hours: no questions, or too few for intervals."""
    for form, group in questions.trains.items():
        if not group:
            got = f"none ({dropped} stand in a test and are left out)"
            raise expected(f"the training questions ({form})", "at least one question", got, "Choose other benchmarks.")
    for name, group in questions.tests.items():
        what = f"the benchmark `{name}`"
        if not group:
            raise expected(what, "at least one question", "none", "Choose other benchmarks.")
        if judged and len(group) < 2:
            raise expected(what, "at least two questions, for intervals", "one", "Raise the number of test questions.")
