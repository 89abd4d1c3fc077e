"""The parts on scorers: scores, fitting, a server under load; and scores of traces, which need no model."""

from ccps.core.console import say
from experiments.benchmarks import faithful_scoring, first_number, scorer, soak
from experiments.benchmarks import serving as serve
from experiments.benchmarks.bench import Bench, attempt
from experiments.benchmarks.page import Figure, Section
from experiments.benchmarks.serving import Part, on_server


def scoring_part(bench: Bench) -> Section:
    """On invented traces; no model, and the CPU alone."""
    return faithful_scoring.measure_section(bench.config.quick)


def scorer_part(bench: Bench) -> Section:
    """On all models."""
    return Section(scorer.TITLE, scorer.TEXT, [figure for name in bench.names for figure in _scored(bench, name)])


def first_number_part(bench: Bench) -> Section:
    """On all models."""
    figures = [figure for name in bench.names for figure in _first_number(bench, name)]
    return Section(first_number.TITLE, first_number.TEXT, figures)


def fitting_part(bench: Bench) -> Section:
    """On the first model, multiple choice and open-ended."""
    config, name = bench.config, bench.first

    def work() -> list[Figure]:
        asked = [bench.questions(benchmark) for benchmark in (config.test, config.open_ended)]
        figures = scorer.measure_fitting(bench.open(name), asked)
        say("fitting", name, f"{scorer.FITTED} questions of either format")
        return figures

    figures = attempt("fitting", name, work, lambda reason: scorer.fitting_missing(name, reason))
    return Section(scorer.FITTING, scorer.FITTING_TEXT, figures)


def serving_part(bench: Bench) -> Section:
    """The first model behind `ccps serve`."""
    return _of_server(bench, serve.SERVING, bench.config.repetitions)


def soak_part(bench: Bench) -> Section:
    """The same for minutes on end."""
    return _of_server(bench, soak.SOAK, bench.config.soak_s)


def _scored(bench: Bench, name: str) -> list[Figure]:
    config = bench.config

    def work() -> list[Figure]:
        way = scorer.Way(config.repetitions, config.threads, config.polygraph)
        figures = scorer.measure_scorer(bench.open(name), bench.questions(config.test), way)
        say("scorer", name, f"{scorer.ASKED} questions")
        return figures

    return attempt("scorer", name, work, lambda reason: scorer.missing(name, reason))


def _first_number(bench: Bench, name: str) -> list[Figure]:
    config = bench.config

    def work() -> list[Figure]:
        asked = bench.questions(config.test)
        figures = first_number.measure_first_number(bench.open(name), asked, config.repetitions, config.threads)
        say("first_number", name, "a scorer loaded in processes of its own")
        return figures

    return attempt("first_number", name, work, lambda reason: first_number.missing(name, reason))


def _of_server(bench: Bench, part: Part, amount: float) -> Section:
    config, name = bench.config, bench.first

    def work() -> list[Figure]:
        questions = bench.questions(config.open_ended)
        return on_server(part, name, config.model[name], questions, config.threads, amount)

    return Section(part.title, part.text, attempt(part.title, name, work, lambda reason: part.missing(name, reason)))
