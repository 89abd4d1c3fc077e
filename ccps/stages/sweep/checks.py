"""What the settings of a sweep need of the rooms that they speak of, beside those of its experiment."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import partial
from typing import Any, NamedTuple

from ccps.core.settings import Fault, typed, unknown
from ccps.metrics import CONTEST
from ccps.perturbation import DIRECTIONS
from ccps.settings.experiment import Config
from ccps.settings.sweep import SweepConfig, SweptConfig
from ccps.stages.main.checks import config_faults


class Swept(NamedTuple):
    """An experiment and what is swept over it."""

    experiment: Config
    sweep: SweepConfig


def to_sweep(settings: Mapping[str, Any], *, here: bool = True) -> Swept:
    """Check settings and build the typed configuration.

    Args:
        settings: those of an experiment, and the group `sweep`.
        here: whether it is to run on this machine.

    Raises:
        SettingsError: naming every fault.
    """
    both = typed(settings, SweptConfig, partial(_sweep_faults, here=here))
    return Swept(Config(**{item.name: getattr(both, item.name) for item in fields(Config)}), both.sweep)


def _sweep_faults(config: SweptConfig, *, here: bool) -> Iterator[Fault]:
    yield from config_faults(config, here=here)
    for form, grid in config.sweep.grids.items():
        for direction in grid.directions:
            if direction not in DIRECTIONS:
                yield unknown("direction", direction, f"sweep.{form}.directions", DIRECTIONS)
    if config.sweep.choose_by not in CONTEST:
        yield unknown("metric", config.sweep.choose_by, "sweep.choose_by", CONTEST)
