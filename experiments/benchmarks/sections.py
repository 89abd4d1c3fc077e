"""All sections of the page, in their order; what is not to be had is named with its reason."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ccps.console import say
from ccps.data.benchmarks import load_questions
from ccps.errors import UserError
from experiments.benchmarks import features, forward, methods, open_ended, stored, sweep
from experiments.benchmarks.model import ModelFigures, answer_states, measure_model, open_model
from experiments.benchmarks.page import Figure, Section
from experiments.benchmarks.reproduced import read_reproduced
from experiments.benchmarks.settings import BenchConfig

_PAPER_MODEL = "Llama-3.1-8B, computed"


def measure(config: BenchConfig) -> list[Section]:
    """Measure everything that the settings ask for and this machine has."""
    parts = {
        "features": lambda: [_features(config)],
        "sweep": lambda: [_sweep(config)],
        "answers": lambda: [_open_ended(config)],
        "methods": lambda: [_methods(config)],
        "models": lambda: _models(config),
        "experiment": lambda: [read_reproduced(Path(config.reproduced))],
    }
    return [section for name, part in parts.items() if name in config.parts for section in part()]


def _models(config: BenchConfig) -> list[Section]:
    models = [_model(name, config) for name in config.model]
    return [
        Section("Forward pass", forward.TEXT, [figure for model in models for figure in model.forward]),
        Section("Extraction", stored.EXTRACTION_TEXT, [figure for model in models for figure in model.extraction]),
        Section(
            "Storage",
            stored.STORAGE_TEXT,
            [*(figure for model in models for figure in model.storage), *_paper_model(models)],
        ),
    ]


def _features(config: BenchConfig) -> Section:
    """On the first model, or on random states of its shape."""
    n_tokens = min(config.tokens, config.questions) if config.quick else config.tokens
    name = next(iter(config.model))
    try:
        questions = load_questions(next(iter(config.test.values()))).questions
        lm = open_model(name, config).get(torch.device("cpu"))
        states = answer_states(lm, forward.representative(questions, n_tokens), config)
    except UserError as error:
        say("features", name, str(error), state="random states instead")
        states = features.random_states(n_tokens)
    section = features.measure_features(states, config.perturbation, config.repetitions)
    say("features", name, f"{len(states.hidden)} tokens, {states.shape}, {states.origin}")
    return section


def _sweep(config: BenchConfig) -> Section:
    """On the heads of all models; probes need none."""
    figures: list[Figure] = []
    names = list(config.model)[:1] if config.quick else list(config.model)
    for name in names:
        try:
            questions = load_questions(next(iter(config.test.values()))).questions
            lm = open_model(name, config).get(torch.device("cpu"))
            states = answer_states(lm, forward.representative(questions, sweep.TOKENS), config)
        except UserError as error:
            say("sweep", name, str(error), state="not measured")
            figures += sweep.missing(name, str(error))
            continue
        del lm
        figures += sweep.measure_sweep(name, states, config.perturbation, config.repetitions, (1, config.threads))
        say("sweep", name, f"{len(sweep.RADII) * len(sweep.STEPS)} strengths, {states.shape}")
    return sweep.sweep_section([*figures, *sweep.measure_fitting(config.repetitions)])


def _open_ended(config: BenchConfig) -> Section:
    """On the first model."""
    name = next(iter(config.model))
    try:
        questions = load_questions(next(iter(config.open_ended.values()))).questions
        lm = open_model(name, config).get(torch.device("cpu"))
        section = open_ended.measure_open_ended(lm, questions, config.perturbation, config.repetitions, config.answers)
    except UserError as error:
        say("answers", name, str(error), state="not measured")
        return open_ended.missing(name, str(error))
    say("answers", name, f"{config.answers} of {open_ended.ANSWER_TOKENS} tokens, read and generated")
    return section


def _methods(config: BenchConfig) -> Section:
    """On the last model, the largest; both formats."""
    name = next(iter(config.model)) if config.quick else list(config.model)[-1]
    figures: list[Figure] = []
    try:
        lm = open_model(name, config).get(torch.device("cpu"))
        for benchmark in (config.test, config.open_ended):
            questions = load_questions(next(iter(benchmark.values()))).questions
            figures += methods.measure_methods(lm, questions, config.questions, config.repetitions)
    except UserError as error:
        say("methods", name, str(error), state="not measured")
        return methods.methods_section(methods.missing(name, str(error)))
    say("methods", name, f"{config.questions} questions of each format")
    return methods.methods_section(figures)


def _model(name: str, config: BenchConfig) -> ModelFigures:
    if config.quick and name != next(iter(config.model)):
        return ModelFigures.missing(name, "left out by `quick=true`.")
    try:
        questions = load_questions(next(iter(config.test.values()))).questions
        opened = open_model(name, config)
    except UserError as error:
        say("model", name, str(error), state="not measured")
        return ModelFigures.missing(name, str(error))
    return measure_model(opened, questions, config)


def _paper_model(models: Sequence[ModelFigures]) -> list[Figure]:
    """Bytes for the smallest model of the paper, from the largest feature row that was written."""
    rows = [model.row_bytes for model in models if model.row_bytes is not None]
    if not rows:
        reason = "no feature row was written."
        return [Figure.missing("Released pipeline over ours", _PAPER_MODEL, reason, stored.STORAGE_TARGET)]
    sizes = stored.Stored(2 * stored.PAPER_WIDTH, max(rows))
    return stored.storage_figures(_PAPER_MODEL, sizes, stored.PAPER_WIDTH, stored.PAPER_VOCABULARY)
