"""The typed shape of a sweep over the perturbation's strength: an experiment, and the grid that is laid over it."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ccps.core.settings import SettingsError, nearest, typed
from ccps.metrics import METRICS
from ccps.perturbation import DIRECTIONS, Grid
from ccps.stages.main.checks import to_config
from ccps.stages.main.config import Config, PerturbationConfig


@dataclass
class GridConfig:
    """The strengths that answers of one format are perturbed with: every radius with every number of steps.

    Attributes:
        radii: largest distances from the original state.
        steps: numbers of equal steps up to each.
        directions: ways to go, of `ccps.perturbation.DIRECTIONS`; the paper's first.
        training_steps: mini-batches of each of the probe's two stages, on the grid and at the chosen points; empty
            means the recipe's.
    """

    radii: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    directions: list[str] = field(default_factory=list)
    training_steps: int | None = None


@dataclass
class SweepConfig:
    """What is swept, and how the best strength is found.

    Attributes:
        mc: grid of multiple choice; empty to leave these questions out.
        oe: grid of open-ended answers; empty to leave these questions out.
        folds: the training questions are divided into so many; a strength is judged on each by a probe fitted to the
            others. No test question takes part in the choice.
        choose_by: metric by which the best strength is chosen.
        seeds: of the probes on the grid.
        chosen_seeds: of those at the paper's strength and at the chosen one, whose results get intervals.
    """

    mc: GridConfig | None = None
    oe: GridConfig | None = None
    folds: int = 3
    choose_by: str = "brier"
    seeds: list[int] = field(default_factory=lambda: [23])
    chosen_seeds: list[int] = field(default_factory=lambda: [23, 24, 25, 26, 27])

    @property
    def grids(self) -> dict[str, GridConfig]:
        """The grids by format."""
        both = {"mc": self.mc, "oe": self.oe}
        return {form: grid for form, grid in both.items() if grid is not None}


class Swept(NamedTuple):
    """The settings of a sweep."""

    experiment: Config
    sweep: SweepConfig


def to_sweep(settings: Mapping[str, Any]) -> Swept:
    """Check settings against both schemas and build the typed configuration.

    Args:
        settings: those of an experiment, and the group `sweep`.

    Raises:
        SettingsError: naming every fault.
    """
    faults: list[str] = []
    experiment = {key: value for key, value in settings.items() if key != "sweep"}
    try:
        config = to_config(experiment)
    except SettingsError as error:
        faults += error.faults
    try:
        sweep = typed({"sweep": settings.get("sweep", {})}, _Holder, _value_faults).sweep
    except SettingsError as error:
        faults += error.faults
    if not faults and not (formats := {spec.format for spec in config.test.values()}) & set(sweep.grids):
        wanted = " or ".join(f"`sweep.{form}`" for form in sorted(formats))
        faults.append(f"expected {wanted} to be a grid, as the benchmarks are of that format, but it is null")
    if not faults and not {"answer", "grade"} <= set(config.stages):
        faults.append(f"expected `stages` to hold answer and grade, without which nothing is swept: {config.stages}")
    if faults:
        raise SettingsError(faults)
    return Swept(config, sweep)


@dataclass
class _Holder:
    sweep: SweepConfig = field(default_factory=SweepConfig)


def _value_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    sweep = settings["sweep"]
    for form in ("mc", "oe"):
        if sweep.get(form) is not None:
            yield from _grid_faults(f"sweep.{form}", sweep[form])
    folds = sweep.get("folds", 2)
    if folds < 2:
        yield f"expected `sweep.folds` to be 2 or more, but got {folds}"
    metric = sweep.get("choose_by", next(iter(METRICS)))
    if metric not in METRICS:
        yield f"unknown metric `{metric}` in `sweep.choose_by`: {nearest(metric, list(METRICS))}"
    for name in ("seeds", "chosen_seeds"):
        seeds = sweep.get(name, [0])
        if not seeds or not _all_different(seeds) or min(seeds) < 0:
            yield f"expected `sweep.{name}` to be different numbers, 0 or more, at least one, but got {seeds}"


def _grid_faults(path: str, grid: Mapping[str, Any]) -> Iterator[str]:
    radii, steps, directions = (grid.get(name, []) for name in ("radii", "steps", "directions"))
    for name, values in (("radii", radii), ("steps", steps)):
        if not values or not _all_different(values) or not all(0 < value < math.inf for value in values):
            yield f"expected `{path}.{name}` to be different numbers above 0, at least one, but got {values}"
    for direction in directions:
        if direction not in DIRECTIONS:
            yield f"unknown direction `{direction}` in `{path}.directions`: {nearest(direction, DIRECTIONS)}"
    if not directions or not _all_different(directions):
        yield f"expected `{path}.directions` to be different ones, at least one, but got {directions}"
    training = grid.get("training_steps")
    if training is not None and training < 1:
        yield f"expected `{path}.training_steps` to be above 0 or null, but got {training!r}"


def _all_different(values: Iterable[object]) -> bool:
    values = list(values)
    return len(set(values)) == len(values)


def all_points(grid: GridConfig, paper: PerturbationConfig) -> list[Grid]:
    """Every point of a grid, radius by radius; the strength of the experiment is added if it is none of them."""
    points = [Grid(float(radius), steps) for radius in sorted(grid.radii) for steps in sorted(grid.steps)]
    usual = Grid(float(paper.radius), paper.steps)
    return points if usual in points else [*points, usual]
