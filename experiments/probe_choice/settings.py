"""Settings of the choice: the shape of what `conf/probes.yaml` composes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from ccps.core.fields import LARGEST_SEED, setting
from ccps.core.settings import Fault, fault, typed, unknown
from ccps.settings.experiment import Config
from experiments.probe_choice.recipes import all_recipes


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

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        yield from super().cross_faults()
        way_out = "share the answers by python -m experiments.reproduce, which this reads"
        if self.worker is not None:
            yield fault("worker", "null, as fits of recipes are not shared", self.worker, way_out)
        if self.run_on != "here":
            yield fault("run_on", "here, as fits of recipes are not shared", self.run_on, way_out)
        known = all_recipes(self.probe.mc, self.paper_probe.mc)  # of either format under the same names
        for name in self.choice.recipes or ():
            if name not in known:
                yield unknown("recipe", name, "choice.recipes", known)
        # Questions are loaded for both sides, so that what stands in a test is not trained on.
        asked = {spec.format for spec in self.train.values()} & self.tested
        lacking = [form for form in self.choice.formats if form not in asked]
        if self.train and self.test and lacking:
            wanted = f"formats of which there are training and test questions ({', '.join(sorted(asked)) or 'none'})"
            yield fault("choice.formats", wanted, ", ".join(lacking))


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
