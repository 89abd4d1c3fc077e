"""All parts, each with its sections of the page; what is not to be had is named with its reason."""

from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.benchmarks import head_parts, model_parts, scorer_parts, size_parts
from experiments.benchmarks.bench import Bench
from experiments.benchmarks.page import Section
from experiments.benchmarks.reproduced import read_reproduced
from experiments.benchmarks.settings import BenchConfig


def measure(config: BenchConfig) -> Iterator[list[Section]]:
    """Measure everything that the settings ask for and this machine has, part after part."""
    bench = Bench(config, config.chosen_device())
    parts: dict[str, Callable[[], list[Section]]] = {
        "features": lambda: bench.here(head_parts.features_part(bench)),
        "own_precision": lambda: bench.here(head_parts.own_precision_part(bench)),
        "sizes": lambda: [*bench.here(*size_parts.sizes_part(bench)), *size_parts.without_gpu(bench)],
        "scale": lambda: bench.here(size_parts.scale_part(bench)),
        "processes": lambda: [size_parts.processes_part(bench)],
        "sweep": lambda: bench.here(head_parts.sweep_part(bench)),
        "answers": lambda: bench.here(model_parts.answers_part(bench)),
        "methods": lambda: bench.here(model_parts.methods_part(bench)),
        "forward": lambda: bench.here(model_parts.forward_part(bench)),
        "fork": lambda: bench.here(model_parts.fork_part(bench)),
        "turns": lambda: bench.here(model_parts.turns_part(bench)),
        "scoring": lambda: [scorer_parts.scoring_part(bench)],
        "scorer": lambda: bench.here(scorer_parts.scorer_part(bench)),
        "first_number": lambda: bench.here(scorer_parts.first_number_part(bench)),
        "fitting": lambda: bench.here(scorer_parts.fitting_part(bench)),
        "serving": lambda: [scorer_parts.serving_part(bench)],
        "soak": lambda: [scorer_parts.soak_part(bench)],
        "plan": lambda: bench.here(model_parts.plan_part(bench)),
        "experiment": lambda: [read_reproduced(Path(config.reproduced))],
    }
    yield from (part() for name, part in parts.items() if name in config.parts)
