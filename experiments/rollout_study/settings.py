"""The typed shape of `conf/rollouts.yaml`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ccps.core.fields import LARGEST_COUNT, LARGEST_SEED, MISSING, setting
from ccps.core.settings import Fault, fault, typed
from ccps.settings.faithful.rollouts import RolloutSettings

PAGES = ("sensitivity", "deliberation")


@dataclass
class RolloutStudyConfig:
    """Which traces are measured, what of them, and how often they are resampled."""

    page: str = setting(
        "sensitivity",
        "`sensitivity`: what each choice of the framework moves; `deliberation`: what thinking aloud sounds like",
        one_of=PAGES,
    )
    rollouts: RolloutSettings = setting(RolloutSettings, "where the traces lie")
    runs: str | None = setting(
        None,
        "what `python -m experiments.faithful -m SETTING=…` wrote, for rows of `page=sensitivity` that take a model",
    )
    resamples: int = setting(
        1000, "how often problems are drawn anew for `page=sensitivity`", at_least=10, at_most=LARGEST_COUNT
    )
    level: float = setting(0.95, "of its intervals", above=0, below=1)
    seed: int = setting(0, "of its draws", at_least=0, at_most=LARGEST_SEED)
    output: str = setting(MISSING, "folder of the tables")


def to_study(settings: Mapping[str, Any]) -> RolloutStudyConfig:
    """Check settings against the schema and build the typed configuration.

    Raises:
        UserError: naming every fault.
    """
    return typed(settings, RolloutStudyConfig, _path_faults)


def _path_faults(config: RolloutStudyConfig) -> Iterator[Fault]:
    """What only a run needs."""
    if config.rollouts.path is None:
        yield fault("rollouts.path", "to name traces with rollouts", "null", "give rollouts.path=FOLDER")
