"""The parts on what a model does: it answers, is read, goes on from a common start, and meets the roofline."""

from dataclasses import replace

from ccps.core.console import say
from experiments.benchmarks import fork, forward, methods, open_ended, roofline, turns
from experiments.benchmarks.bench import QUICK, Bench, attempt
from experiments.benchmarks.model import open_model
from experiments.benchmarks.page import Figure, Section


def answers_part(bench: Bench) -> Section:
    """On the first model."""
    config, name = bench.config, bench.first

    def work() -> Section:
        lm, questions = bench.open(name), bench.questions(config.open_ended)
        section = open_ended.measure_open_ended(lm, questions, config.perturbation, config.repetitions, config.answers)
        say("answers", name, f"{config.answers} of {open_ended.ANSWER_TOKENS} tokens, read and generated")
        return section

    return attempt("answers", name, work, lambda reason: open_ended.missing(name, reason))


def methods_part(bench: Bench) -> Section:
    """On the last model, the largest; both formats."""
    config = bench.config
    name = bench.first if config.quick else list(config.model)[-1]

    def work() -> list[Figure]:
        lm = bench.open(name)
        asked = [bench.questions(benchmark) for benchmark in (config.test, config.open_ended)]
        return [
            figure
            for questions in asked
            for figure in methods.measure_methods(lm, questions, config.questions, config.repetitions)
        ]

    return methods.methods_section(attempt("methods", name, work, lambda reason: methods.missing(name, reason)))


def forward_part(bench: Bench) -> Section:
    """On all models."""
    return Section(
        "Forward pass", forward.TEXT, [figure for name in bench.config.model for figure in _read(bench, name)]
    )


def fork_part(bench: Bench) -> Section:
    """On the first model, in each precision."""
    return fork.fork_section([figure for dtype in fork.DTYPES for figure in _forked(bench, dtype)])


def turns_part(bench: Bench) -> Section:
    """On the first model, in float32."""
    config, name = bench.config, bench.first

    def work() -> list[Figure]:
        lm = open_model(name, replace(config.model[name], dtype="float32"), bench.device).get(bench.device)
        size = turns.QUICK if config.quick else turns.FULL
        figures = turns.measure_turns(lm, bench.questions(config.open_ended), config.repetitions, size)
        say("turns", name, f"{size.traces} texts of {size.shortest} to {size.longest} tokens")
        return figures

    return turns.turns_section(attempt("turns", name, work, lambda reason: turns.missing(name, reason)))


def plan_part(bench: Bench) -> Section:
    """On the first model."""
    config, name = bench.config, bench.first

    def work() -> list[Figure]:
        figures = roofline.measure_roofline(bench.open(name), config.perturbation, config.repetitions)
        say("plan", name, "shares of the peak, kind by kind of work")
        return figures

    figures = attempt("plan", name, work, lambda reason: roofline.missing(name, reason))
    return Section(roofline.TITLE, roofline.TEXT, figures)


def _forked(bench: Bench, dtype: str) -> list[Figure]:
    config, name = bench.config, bench.first

    def work() -> list[Figure]:
        lm = open_model(name, replace(config.model[name], dtype=dtype), bench.device).get(bench.device)
        size = fork.chosen_size(config.quick, is_own=dtype == config.model[name].dtype)
        figures = fork.measure_fork(lm, bench.questions(config.open_ended), config.repetitions, size)
        say("fork", name, dtype)
        return figures

    return attempt("fork", name, work, lambda reason: fork.missing(name, reason))


def _read(bench: Bench, name: str) -> list[Figure]:
    config = bench.config

    def work() -> list[Figure]:
        questions = bench.questions(config.test)
        figures = forward.measure_forward(
            bench.open(name), questions, config.questions, config.max_batch_tokens, config.repetitions
        )
        say("forward", name, f"{config.questions} questions, plain and bucketed")
        return figures

    if config.quick and name != bench.first:
        return forward.missing(name, QUICK)
    return attempt("forward", name, work, lambda reason: forward.missing(name, reason))
