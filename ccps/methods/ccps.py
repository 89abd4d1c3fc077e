from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ccps.core.console import say
from ccps.methods.base import Fitted, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.evidence import Evidence
from ccps.methods.fitted import FittedByProbe
from ccps.methods.registry import register
from ccps.probes import (
    ONE_P,
    FittedProbe,
    ProbeConfig,
    ProbeEnsemble,
    ProbeTask,
    Reporting,
    fit_probes,
    is_collapsed,
    load_probe,
    spread,
)


@register
class CCPS(TrainedMethod):
    """A probe that reads how the answer's tokens hold up when their hidden states are pushed against them.

    Source: arXiv 2505.21772; 75 stability features, contrastive encoder and classifier. Settings: `conf/probe`.
    """

    name = "ccps"
    label = "CCPS"
    place = 10
    source = "probe on 75 stability features (arXiv 2505.21772)"
    version = 4
    reads_features = True

    def recipe(self, settings: TrainingSettings) -> ProbeConfig:
        """The probe's."""
        return settings.probe

    def averages(self, settings: TrainingSettings) -> bool:
        """Whether the recipe asks for it."""
        return self.recipe(settings).average

    def labels(self, correct: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.bool_]:
        """What the probe of a seed is told of each answer: whether it is correct."""
        return correct

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Fit a probe to every token's features, from each seed, all of them together.

        Where the recipe averages, one that has collapsed is fitted anew from seeds beyond the given ones, as often as
        the recipe says, and those that are alive become one more probe, which comes first.
        """
        return self.fit_parts([answers], settings, seeds, reporting)[0]

    def fit_parts(
        self,
        parts: Sequence[TrainingAnswers],
        settings: TrainingSettings,
        seeds: Sequence[int],
        reporting: Reporting,
    ) -> list[list[Fitted]]:
        """Fit all probes of all parts as one stack."""
        recipe = self.recipe(settings)
        tasks = [self._task(part, seed, settings.radius) for part in parts for seed in seeds]
        found = iter(fit_probes(tasks, recipe, on_progress=reporting.on_progress))
        fits: list[list[Fitted]] = []
        for part in parts:
            probes = {seed: next(found) for seed in seeds}
            whole = [by_probe(self._averaged(probes, part, settings))] if recipe.average else []
            fits.append([*whole, *map(by_probe, probes.values())])
            if len(parts) == 1:
                for seed, probe in probes.items():
                    reporting.for_seed(seed).log(probe.training.curve)
        return fits

    def _averaged(
        self, probes: dict[int, FittedProbe], answers: TrainingAnswers, settings: TrainingSettings
    ) -> ProbeEnsemble:
        """The probes that are alive as one, after those that are not have been fitted anew, in place.

        All of them where none is, which is then one P for every answer, and found to be.
        """
        recipe, further = self.recipe(settings), max(probes)
        told: dict[int, str] = {}
        for _ in range(recipe.refits):
            for seed in self._dead(probes, answers):
                further += 1
                [probes[seed]] = fit_probes([self._task(answers, further, settings.radius)], recipe)
                told[seed] = f"seed {seed} gave {ONE_P}: fitted anew from seed {further}"
        dead = self._dead(probes, answers)
        told |= {seed: f"seed {seed} gives {ONE_P}: not in the average" for seed in dead}
        for line in told.values():
            say("probe", f"{self.name}, {line}", state="collapsed")
        alive = tuple(probe for seed, probe in probes.items() if seed not in dead)
        return ProbeEnsemble(alive or tuple(probes.values()), dict.fromkeys(told.values(), 1))

    def _dead(self, probes: dict[int, FittedProbe], answers: TrainingAnswers) -> list[int]:
        inputs = _inputs(answers.evidence)
        return [seed for seed, probe in probes.items() if is_collapsed(spread(probe.predict(*inputs)))]

    def _task(self, answers: TrainingAnswers, seed: int, radius: float) -> ProbeTask:
        lengths = answers.evidence.lengths
        labels = np.repeat(self.labels(answers.correct, seed), lengths)
        ids = np.repeat(answers.question_ids, lengths).tolist()
        return ProbeTask(answers.evidence.features, labels, ids, seed, radius)

    def load(self, folder: Path) -> Fitted:
        """Read the probe, or those that are averaged."""
        return by_probe(load_probe(folder))


def by_probe(probe: FittedProbe | ProbeEnsemble) -> Fitted:
    """A probe that reads the features of every token."""
    return FittedByProbe(probe, _inputs)


def _inputs(evidence: Evidence) -> tuple[Any, ...]:
    return evidence.features, evidence.lengths.tolist()
