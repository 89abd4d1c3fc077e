"""What share of its peak this machine reaches, kind by kind of work: what the hours of a plan go by."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from ccps.llm import LanguageModel, read, write
from ccps.llm.shape import shape_of
from ccps.perturbation import Grid, stability_features, stability_features_sweep
from ccps.plan.device import Device
from ccps.plan.work import Work, decoder, features, read_batch
from ccps.settings.perturbation import PerturbationConfig
from ccps.settings.plan import DeviceConfig
from experiments.benchmarks.floors import copies, matrix_products
from experiments.benchmarks.page import Figure
from experiments.benchmarks.sizes import random_passages
from experiments.benchmarks.sweep import RADII, STEPS
from experiments.benchmarks.timing import Seconds, spread, take_turns

TITLE = "What a plan goes by"
ROWS, PROMPT, ANSWER, TOKENS = 32, 32, 30, 228
TEXT = (
    "Peaks (large square matrices, large copies) and what share of them each kind of work reaches, by which a plan "
    "turns operations and bytes into hours (docs/plan.md). On the first model alone, and judged on others. "
    f"Read: {ROWS} prompts of {PROMPT} random tokens. A layer of one token: a {ANSWER - 1}th of what writing as many "
    "takes after one of them, over the layers, which is calls of little content. "
    f"Head: the three products of the features of {TOKENS} states, in float32. Vocabulary: the features without "
    "these. "
    f"Sweep: the same for all {len(RADII) * len(STEPS)} strengths of the section Sweep. A share is the time that what "
    "is counted takes at the peaks of the same repetition, over the time taken."
)


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of a model's figures if it is not to be had."""
    return [Figure.missing("Share of the peak", name, reason)]


def measure_roofline(lm: LanguageModel, perturbation: PerturbationConfig, repetitions: int) -> list[Figure]:
    """Time every kind of work beside the peaks.

    Args:
        lm: the model.
        perturbation: how far and how finely states are pushed.
        repetitions: how often.
    """
    device, dtype = lm.device, lm.files.config.dtype
    passages = random_passages(lm, ROWS, PROMPT, 0)
    prompts, endless = [passage.prompt for passage in passages], replace(lm, end_tokens=())
    head = lm.head.to(device, torch.float32)
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(TOKENS, head.weight.shape[1], generator=generator).to(device)
    tokens = torch.randint(len(head.weight), (TOKENS,), generator=generator).to(device)
    grids = [Grid(radius, steps) for radius in RADII for steps in STEPS]
    yardsticks = {
        "own": matrix_products(device, lm.model.dtype),
        "float32": matrix_products(device, torch.float32),
        "copies": copies(device),
    }

    def products() -> None:
        logits = states @ head.weight.T
        logits @ head.weight
        states @ head.weight.T

    ways: dict[str, Callable[[], object]] = {
        "read": lambda: read(lm, passages),
        "one": lambda: write(endless, prompts[:1], 1),
        "all": lambda: write(endless, prompts[:1], ANSWER),
        "head": products,
        "features": lambda: stability_features(states, head, tokens, perturbation.radius, perturbation.steps),
        "sweep": lambda: stability_features_sweep(states, head, tokens, grids),
        **{name: yardstick.work for name, yardstick in yardsticks.items()},
    }
    with torch.inference_mode():
        for way in ways.values():
            way()
        seconds = take_turns(ways, repetitions, f"plan, {lm.files.name}").seconds
    amounts = {name: yardstick.amount for name, yardstick in yardsticks.items()}
    shape = shape_of(lm.model.config, dtype)
    radii = len({radius for grid in grids for radius in grid.radii()})
    only = {
        "read": decoder(shape, read_batch(ROWS, PROMPT)),
        "head": features(shape, TOKENS, perturbation.steps),
        "vocabulary": features(shape, TOKENS, perturbation.steps),
        "sweep": features(shape, TOKENS, radii, swept=True),
    }
    calls = (ANSWER - 1) * shape.layers
    return roofline_figures(
        lm.files.name, dtype, seconds, amounts, {kind: _of(work, kind) for kind, work in only.items()}, calls
    )


def _of(work: Work, kind: str) -> Work:
    """The parts of one kind."""
    return Work(tuple(part for part in work.parts if part.kind == kind))


def roofline_figures(
    name: str, dtype: str, seconds: Seconds, amounts: dict[str, float], work: dict[str, Work], calls: int
) -> list[Figure]:
    """Peaks, and shares of them.

    Args:
        name: of the model.
        dtype: in which it is held.
        seconds: of each repetition, by what was done.
        amounts: operations or bytes of the yardsticks.
        work: what was done of each kind.
        calls: of a layer with one token, between what was done as `one` and as `all`.
    """
    taken = {
        "read": seconds["read"],
        "head": seconds["head"],
        "vocabulary": _less(seconds["features"], seconds["head"]),
        "sweep": _less(seconds["sweep"], seconds["head"]),
    }
    layer = [1e3 * second / calls for second in _less(seconds["all"], seconds["one"])]
    peaks = {way: [amount / second for second in seconds[way]] for way, amount in amounts.items()}
    devices = [
        Device("here", _at_peak(dtype, own, single, moved))
        for own, single, moved in zip(peaks["own"], peaks["float32"], peaks["copies"], strict=True)
    ]
    return [
        Figure.of(f"Peak of products, {dtype}", name, spread(value / 1e12 for value in peaks["own"]), "Tflop/s"),
        Figure.of("Peak of products, float32", name, spread(value / 1e12 for value in peaks["float32"]), "Tflop/s"),
        Figure.of("Bandwidth of memory", name, spread(value / 1e9 for value in peaks["copies"]), "GB/s"),
        Figure.of("A layer of one token", name, spread(layer), "ms"),
        *(
            Figure.of(
                f"Share of the peak, {kind}",
                name,
                spread(
                    100 * device.seconds(work[kind]) / one for device, one in zip(devices, taken[kind], strict=True)
                ),
                "%",
            )
            for kind in work
        ),
    ]


def _less(whole: Sequence[float], part: Sequence[float]) -> list[float]:
    return [max(1e-9, one - other) for one, other in zip(whole, part, strict=True)]


def _at_peak(dtype: str, own: float, single: float, moved: float) -> DeviceConfig:
    """A device that reaches its peaks."""
    peak = {"bfloat16": own, "float16": own, "float32": single, dtype: own}
    efficiency = dict.fromkeys(("read", "head", "vocabulary", "sweep"), 1.0)
    return DeviceConfig("here", "cpu", [], peak, moved, 1e12, 0.0, efficiency, "measured")
