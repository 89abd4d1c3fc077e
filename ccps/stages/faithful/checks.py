"""What the settings of a run of the faithful system need of the rooms that they speak of."""

from collections.abc import Iterator, Mapping
from typing import Any

from ccps.core.settings import Fault, typed, unknown
from ccps.estimators.base import ESTIMATORS
from ccps.settings.faithful.run import STAGES, FaithfulConfig
from ccps.stages.main.checks import run_faults


def to_faithful(settings: Mapping[str, Any]) -> FaithfulConfig:
    """Check the settings of a run of the faithful system and build its typed configuration.

    Args:
        settings: plain values, as composed from `conf/` and the command line.

    Raises:
        SettingsError: naming every fault.
    """
    return typed(settings, FaithfulConfig, _faithful_faults)


def _faithful_faults(config: FaithfulConfig) -> Iterator[Fault]:
    for stage in config.stages:
        if stage not in STAGES:
            yield unknown("stage", stage, "stages", STAGES)
    for name in config.faithful.estimators:
        if name not in ESTIMATORS:
            yield unknown("estimator", name, "faithful.estimators", list(ESTIMATORS))
    yield from run_faults(config.model, config.engine)
