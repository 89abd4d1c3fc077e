"""Settings of the choice: the shape of what `conf/probes.yaml` composes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from ccps.core.fields import LARGEST_SEED, setting
from ccps.core.settings import typed
from ccps.settings.experiment import Config


@dataclass
class ChoiceConfig:
    """What is compared, and on how much."""

    formats: list[str] = setting(["mc", "oe"], "of the answers", different=True, not_empty=True, one_of=("mc", "oe"))
    sizes: list[int] = setting(
        [100, 200, 400], "training answers", at_least=20, at_most=1_000_000, different=True, not_empty=True
    )
    draws: int = setting(3, "of so many answers, for each size and source left out", at_least=1, at_most=1000)
    seeds: list[int] = setting(
        [23, 24, 25, 26, 27], "of the probes", at_least=0, at_most=LARGEST_SEED, different=True, not_empty=True
    )
    recipes: list[str] | None = setting(None, "names of those that are compared; null for all")


@dataclass
class ProbesChoiceConfig(Config):
    """An experiment, and the choice on its training questions."""

    choice: ChoiceConfig = setting(ChoiceConfig)


class Choice(NamedTuple):
    """An experiment, and what is compared on its training questions."""

    experiment: Config
    choice: ChoiceConfig


def to_choice(settings: Mapping[str, Any]) -> Choice:
    """Check settings and build the typed configuration.

    Raises:
        SettingsError: naming every fault.
    """
    from ccps.stages.main.checks import config_faults

    both = typed(settings, ProbesChoiceConfig, config_faults)
    return Choice(Config(**{item.name: getattr(both, item.name) for item in fields(Config)}), both.choice)
