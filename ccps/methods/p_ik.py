from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.methods.base import (
    Evidence,
    Fitted,
    FloatArray,
    TrainedMethod,
    TrainingAnswers,
    TrainingSettings,
    curve_table,
)
from ccps.probes import FittedStateProbe, Reporting, StateProbeConfig, fit_state_probe


@dataclass(frozen=True)
class FittedPIK:
    """A probe on prompt states as the pipeline uses it."""

    probe: FittedStateProbe

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) as the probe reads it off the state."""
        return self.probe.predict(_states(evidence))

    def save(self, folder: Path) -> None:
        """Write the probe."""
        self.probe.save(folder)

    def summary(self) -> Mapping[str, Any]:
        """Rows used."""
        return {"train_rows": self.probe.training.train_rows, "validation_rows": self.probe.training.validation_rows}

    def curve(self) -> pd.DataFrame:
        """Training by epochs."""
        return curve_table(self.probe.training.curve)

    def notes(self, evidence: Evidence) -> Mapping[str, int]:
        """Nothing is changed on the way."""
        return {}


class PIK(TrainedMethod):
    """A probe that reads off the prompt alone whether the model will answer correctly.

    Source: P(IK), "I know", Kadavath et al. 2022 (arXiv 2207.05221); the network and its training are those that the
    authors of CCPS use for it in later work (`StateProbeConfig`); what CCPS (arXiv 2505.21772) used is not known. The
    state is the final-normed one of the last prompt token, generation prompt included. Settings: `conf/state_probe`.
    """

    name = "p_ik"
    label = "P(IK)"
    source = "probe on the hidden state of the last prompt token"
    needs = frozenset({"prompt_states"})

    def recipe(self, settings: TrainingSettings) -> StateProbeConfig:
        """The state probe's."""
        return settings.state_probe

    def fit(self, answers: TrainingAnswers, settings: TrainingSettings, seed: int, reporting: Reporting) -> Fitted:
        """Fit the probe to one state per question."""
        states = _states(answers.evidence)
        return FittedPIK(
            fit_state_probe(states, answers.correct, answers.question_ids, settings.state_probe, seed, reporting)
        )

    def load(self, folder: Path) -> Fitted:
        """Read the probe."""
        return FittedPIK(FittedStateProbe.load(folder))


def _states(evidence: Evidence) -> npt.NDArray[np.float32]:
    if evidence.prompt_states is None:
        raise ValueError("Expected `evidence.prompt_states` to be given, but got None. Read them from the answers.")
    return evidence.prompt_states
