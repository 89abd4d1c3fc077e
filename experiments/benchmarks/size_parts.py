"""The parts on how cost grows: with models, with questions, with processes."""

from pathlib import Path
from typing import NamedTuple

import torch

from ccps.core.console import say
from ccps.llm import ModelConfig
from experiments.benchmarks import curve, open_ended, processes, scale, sizes, stored
from experiments.benchmarks.bench import QUICK, Bench, attempt
from experiments.benchmarks.model import open_model
from experiments.benchmarks.page import ON_GPU, Figure, Section
from experiments.benchmarks.size_figures import CPU_TARGETS, GPU_TARGETS, Targets, missing

_REAL_VOCABULARY = 10_000  # below, the logits that the released pipeline stores are next to nothing


class Size(NamedTuple):
    """What is said of one model.

    Attributes:
        figures: of time and memory.
        storage: of bytes on disk.
        row: bytes of a feature row; None if it was not written.
    """

    figures: list[Figure]
    storage: list[Figure]
    row: float | None


def sizes_part(bench: Bench) -> list[Section]:
    """Every size that this machine can hold, and what it stores."""
    config = bench.config
    targets = Targets() if bench.on_gpu else CPU_TARGETS
    found = [
        _size(bench, name, model, targets, config.quick and place > 1)
        for place, (name, model) in enumerate(config.sizes.items())
    ]
    if bench.on_gpu:
        found += [_size(bench, name, model, GPU_TARGETS, config.quick) for name, model in config.gpu_sizes.items()]
    rows = [size.row for size in found if size.row is not None]
    storage = [figure for size in found for figure in size.storage]
    return [
        Section("Sizes", sizes.TEXT, [figure for size in found for figure in size.figures]),
        Section("Storage", stored.TEXT, [*storage, *stored.of_paper_model(rows)]),
    ]


def without_gpu(bench: Bench) -> list[Section]:
    """The sizes that only a GPU holds, on a machine without one."""
    if bench.on_gpu or not bench.config.gpu_sizes:
        return []
    reason = "no GPU was used." if torch.cuda.is_available() else "this machine has no GPU."
    figures = [figure for name in bench.config.gpu_sizes for figure in missing(name, reason, GPU_TARGETS)]
    return [Section("Sizes" + ON_GPU, sizes.TEXT, figures)]


def scale_part(bench: Bench) -> Section:
    """On the first model; with a picture."""
    config, name = bench.config, bench.first

    def work() -> Section:
        model = open_model(name, config.model[name], bench.device)
        asked = scale.alike(model.get(bench.device), bench.questions(config.test), 2 * config.questions)
        found = scale.measure_scale(
            model, asked, config.perturbation, config.max_batch_tokens, config.repetitions, bench.device
        )
        picture = f"benchmarks/scale-{bench.device.type}.png"
        curve.draw(found, Path(config.output) / picture)
        say("scale", name, f"{', '.join(map(str, found.questions))} questions")
        return Section(scale.TITLE, scale.TEXT, scale.scale_figures(name, found), picture=picture)

    return attempt("scale", name, work, lambda reason: Section(scale.TITLE, scale.TEXT, scale.missing(name, reason)))


def processes_part(bench: Bench) -> Section:
    """The first model, on two cores of the CPU."""
    name = bench.first
    figures = attempt(
        "processes",
        name,
        lambda: processes.measure_processes(name, bench.config.repetitions),
        lambda reason: processes.missing(name, reason),
    )
    return Section(processes.TITLE, processes.TEXT, figures)


def _size(bench: Bench, name: str, model: ModelConfig, targets: Targets, left_out: bool) -> Size:
    config = bench.config

    def work() -> Size:
        shared = open_model(name, model, bench.device)
        lm = shared.get(bench.device)
        figures = sizes.measure_size(lm, config.perturbation, config.repetitions)
        kept = stored.measure_stored(shared, sizes.stored_passages(lm), config.perturbation, bench.device)
        vocabulary, width = lm.head.weight.shape
        target = stored.TARGET if vocabulary >= _REAL_VOCABULARY else None
        say("sizes", name, f"answers of one and of {open_ended.ANSWER_TOKENS} tokens")
        return Size(figures, stored.storage_figures(name, kept, width, vocabulary, target), kept.row)

    def otherwise(reason: str) -> Size:
        return Size(missing(name, reason, targets), [stored.missing(name, reason)], None)

    return otherwise(QUICK) if left_out else attempt("sizes", name, work, otherwise)
