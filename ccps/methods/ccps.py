from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ccps.methods.base import Fitted, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.evidence import Evidence
from ccps.methods.fitted import FittedByProbe
from ccps.methods.registry import register
from ccps.probes import FittedProbe, ProbeConfig, ProbeTask, Reporting, fit_probes


@register
class CCPS(TrainedMethod):
    """A probe that reads how the answer's tokens hold up when their hidden states are pushed against them.

    Source: arXiv 2505.21772; 75 stability features, contrastive encoder and classifier. Settings: `conf/probe`.
    """

    name = "ccps"
    label = "CCPS"
    place = 10
    source = "probe on 75 stability features (arXiv 2505.21772)"
    version = 3
    reads_features = True

    def recipe(self, settings: TrainingSettings) -> ProbeConfig:
        """The probe's."""
        return settings.probe

    def labels(self, correct: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.bool_]:
        """What the probe of a seed is told of each answer: whether it is correct."""
        return correct

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Fit a probe to every token's features, from each seed, all of them together."""
        return self.fit_parts([answers], settings, seeds, reporting)[0]

    def fit_parts(
        self,
        parts: Sequence[TrainingAnswers],
        settings: TrainingSettings,
        seeds: Sequence[int],
        reporting: Reporting,
    ) -> list[list[Fitted]]:
        """Fit all probes of all parts as one stack."""
        tasks = [self._task(part, seed, settings.radius) for part in parts for seed in seeds]
        probes = fit_probes(tasks, settings.probe, on_progress=reporting.on_progress)
        if len(parts) == 1:
            for seed, probe in zip(seeds, probes, strict=True):
                reporting.for_seed(seed).log(probe.training.curve)
        fits = [by_probe(probe) for probe in probes]
        return [fits[first : first + len(seeds)] for first in range(0, len(fits), len(seeds))]

    def _task(self, answers: TrainingAnswers, seed: int, radius: float) -> ProbeTask:
        lengths = answers.evidence.lengths
        labels = np.repeat(self.labels(answers.correct, seed), lengths)
        ids = np.repeat(answers.question_ids, lengths).tolist()
        return ProbeTask(answers.evidence.features, labels, ids, seed, radius)

    def load(self, folder: Path) -> Fitted:
        """Read the probe."""
        return by_probe(FittedProbe.load(folder))


def by_probe(probe: FittedProbe) -> Fitted:
    """A probe that reads the features of every token."""
    return FittedByProbe(probe, _inputs)


def _inputs(evidence: Evidence) -> tuple[Any, ...]:
    return evidence.features, evidence.lengths.tolist()
