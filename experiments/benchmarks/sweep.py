"""A sweep over the perturbation's strength beside one extraction, and probes fitted together beside one by one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ccps.perturbation import FEATURE_NAMES, Grid, stability_features, stability_features_sweep
from ccps.probes import ProbeConfig, ProbeTask, fit_probe, fit_probes
from ccps.settings.perturbation import PerturbationConfig
from ccps.settings.probe import StageConfig
from experiments.benchmarks.features import TokenStates, largest_difference
from experiments.benchmarks.page import Figure, Section, Target
from experiments.benchmarks.timing import ratios, spread, take_turns

SWEEP_TARGET = Target("≤", 3)
FIT_TARGET = Target("≥", 10)
RADII = tuple(float(radius) for radius in np.geomspace(0.5, 100, 20))
STEPS = (1, 2, 5, 10, 20)
TOKENS = 64
_PROBES, _ALONE = 100, 3
_ROWS, _UPDATES = 600, 200

TEXT = (
    f"{len(RADII)} radii from {RADII[0]:g} to {RADII[-1]:g} in equal ratios with {', '.join(map(str, STEPS))} steps "
    f"each, {len(RADII) * max(STEPS)} distinct radii of steps, beside one extraction at the strength of the settings: "
    "both from the same states and the same head, which are read and cast before. The largest difference is to the "
    "points of the grid with five steps, each alone, relative to 1 + |value|. Probes: "
    f"{_PROBES} tables of {_ROWS:,} random rows, {_UPDATES} updates in each of the two stages; {_ALONE} of them one "
    "after the other, each a stack of one; seconds for each probe."
)


class SweepTimes(NamedTuple):
    """Seconds of each repetition at one number of threads."""

    sweep: list[float]
    extraction: list[float]


def measure_sweep(
    name: str, states: TokenStates, perturbation: PerturbationConfig, repetitions: int, threads: Sequence[int]
) -> list[Figure]:
    """Time the sweep and one extraction in turns, on the CPU at several numbers of threads."""
    hidden, head, token_ids, _ = states
    hidden, token_ids = hidden[:TOKENS], token_ids[:TOKENS]
    grids = [Grid(radius, steps) for radius in RADII for steps in STEPS]

    def swept(chosen: Sequence[Grid] = grids) -> Tensor:
        return stability_features_sweep(hidden, head, token_ids, chosen)

    def extracted() -> Tensor:
        radius, steps = perturbation.radius, perturbation.steps
        return stability_features(hidden, head, token_ids, radius, steps)

    figures = []
    before = torch.get_num_threads()
    together = swept()
    on_cpu = hidden.device.type == "cpu"
    for number in dict.fromkeys(threads) if on_cpu else (before,):
        torch.set_num_threads(number)
        extracted()
        times = SweepTimes(*_in_turns(swept, extracted, repetitions, f"sweep, {name}"))
        subject = f"{name}, {len(hidden)} tokens"
        if on_cpu:
            subject += f", {number} {'thread' if number == 1 else 'threads'}"
        figures += [
            Figure.of("One extraction", subject, spread(1000 * s / len(hidden) for s in times.extraction), "ms/token"),
            Figure.of("Sweep over one extraction", subject, ratios(*times), "×", SWEEP_TARGET),
        ]
    torch.set_num_threads(before)
    some = [grids.index(grid) for grid in grids if grid.steps == 5]
    alone = torch.cat([swept([grids[index]])[0] for index in some])
    difference = largest_difference(together[some].flatten(0, 1), alone)
    return [*figures, Figure("Largest difference to single points", name, difference.largest, "")]


def measure_fitting(repetitions: int) -> list[Figure]:
    """Time many probes fitted together against some fitted one by one."""
    stage = StageConfig(steps=_UPDATES, eval_every=_UPDATES)
    recipe = ProbeConfig(contrastive=stage, classifier=stage)
    rng = np.random.default_rng(0)
    names = [str(row) for row in range(_ROWS)]
    tasks = [
        ProbeTask(rng.standard_normal((_ROWS, len(FEATURE_NAMES))), rng.random(_ROWS) < 0.5, names, seed, 20.0)
        for seed in range(_PROBES)
    ]

    def together() -> None:
        fit_probes(tasks, recipe)

    def one_by_one() -> None:
        for features, labels, ids, seed, radius in tasks[:_ALONE]:
            fit_probe(features, labels, ids, recipe, seed, radius=radius)

    fit_probes(tasks[:1], recipe)
    fit_probe(*tasks[0][:3], recipe, 0, radius=20.0)
    batched, alone = _in_turns(together, one_by_one, repetitions, "fitting")
    each, each_alone = [s / _PROBES for s in batched], [s / _ALONE for s in alone]
    subject = f"{_PROBES} probes"
    return [
        Figure.of("Fitted together", subject, spread(each), "s/probe"),
        Figure.of("Fitted one by one", f"{_ALONE} probes", spread(each_alone), "s/probe"),
        Figure.of("Fitted together, times the speed of one by one", subject, ratios(each_alone, each), "×", FIT_TARGET),
    ]


def sweep_section(figures: Sequence[Figure]) -> Section:
    """The section of the page."""
    return Section("Sweep", TEXT, figures)


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in place of a model's figures if it is not to be had."""
    return [Figure.missing("Sweep over one extraction", name, reason, SWEEP_TARGET)]


def _in_turns(
    first: Callable[[], object], second: Callable[[], object], repetitions: int, label: str
) -> tuple[list[float], list[float]]:
    seconds = take_turns({"first": first, "second": second}, repetitions, label).seconds
    return seconds["first"], seconds["second"]
