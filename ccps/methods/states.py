"""Methods that read one hidden state per answer by a perceptron."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ccps.methods.base import Fitted, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.evidence import Evidence
from ccps.methods.fitted import FittedByProbe
from ccps.probes import FittedStateProbe, Reporting, StateProbeConfig, fit_state_probes


class StateMethod(TrainedMethod):
    """A state probe on states that a subclass chooses."""

    version = 2

    @abstractmethod
    def states(self, evidence: Evidence) -> npt.NDArray[np.float32]:
        """The state of each answer that is read, `[answers, d]`."""

    def recipe(self, settings: TrainingSettings) -> StateProbeConfig:
        """The state probe's."""
        return settings.state_probe

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Fit a probe to one state per answer, from each seed."""
        rows = self.states(answers.evidence), answers.correct, answers.question_ids
        probes = fit_state_probes(*rows, settings.state_probe, seeds, reporting.on_progress)
        for seed, probe in zip(seeds, probes, strict=True):
            reporting.for_seed(seed).log(probe.training.curve)
        return [self._wrap(probe) for probe in probes]

    def load(self, folder: Path) -> Fitted:
        """Read the probe."""
        return self._wrap(FittedStateProbe.load(folder))

    def _wrap(self, probe: FittedStateProbe) -> Fitted:
        return FittedByProbe(probe, lambda evidence: (self.states(evidence),))
