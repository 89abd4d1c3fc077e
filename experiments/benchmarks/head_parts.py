"""The parts on heads and final states: features, in the heads' own precision too, and sweeps over strengths."""

from ccps.core.console import say
from experiments.benchmarks import features, forward, own_precision, sweep
from experiments.benchmarks.bench import Bench, attempt
from experiments.benchmarks.page import Figure, Section


def features_part(bench: Bench) -> Section:
    """On the head of the first model, or on random states of its shape."""
    config, name = bench.config, bench.first
    n_tokens = min(config.tokens, config.questions) if config.quick else config.tokens
    states = attempt(
        "features",
        name,
        lambda: bench.states(name, n_tokens),
        lambda _: features.random_states(n_tokens, bench.device),
        "random states instead",
    )
    section = features.measure_features(states, config.perturbation, config.repetitions)
    say("features", name, f"{len(states.hidden)} tokens, {states.shape}, {states.origin}")
    return section


def own_precision_part(bench: Bench) -> Section:
    """On the heads of all models."""
    return own_precision.own_precision_section(
        [figure for name in bench.names for figure in _in_own_precision(bench, name)]
    )


def sweep_part(bench: Bench) -> Section:
    """On the heads of all models; probes need none, and are fitted on the CPU."""
    config = bench.config
    figures = [figure for name in bench.names for figure in _swept(bench, name)]
    fitting = [] if bench.on_gpu else sweep.measure_fitting(config.repetitions)
    return sweep.sweep_section([*figures, *fitting])


def _in_own_precision(bench: Bench, name: str) -> list[Figure]:
    config = bench.config

    def work() -> list[Figure]:
        lm = bench.open(name)
        asked = forward.representative(bench.questions(config.test), config.tokens)
        states = forward.read_bucketed(lm, forward.build_prompts(lm, asked, config.max_batch_tokens))
        figures = own_precision.measure_own_precision(lm, states, config.perturbation, config.repetitions)
        say("own_precision", name, f"{len(states)} tokens")
        return figures

    return attempt("own_precision", name, work, lambda reason: own_precision.missing(name, reason))


def _swept(bench: Bench, name: str) -> list[Figure]:
    config = bench.config

    def work() -> list[Figure]:
        states = bench.states(name, sweep.TOKENS)
        threads = (1, config.threads)
        figures = sweep.measure_sweep(name, states, config.perturbation, config.repetitions, threads)
        say("sweep", name, f"{len(sweep.RADII) * len(sweep.STEPS)} strengths, {states.shape}")
        return figures

    return attempt("sweep", name, work, lambda reason: sweep.missing(name, reason))
