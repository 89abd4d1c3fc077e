from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
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
from ccps.probes import FittedProbe, ProbeConfig, Reporting, fit_probe


@dataclass(frozen=True)
class FittedCCPS:
    """A probe of CCPS as the pipeline uses it."""

    probe: FittedProbe

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = softmax of the probe's two logits, class 1."""
        return self.probe.predict(evidence.features, evidence.lengths.tolist())

    def save(self, folder: Path) -> None:
        """Write `probe.safetensors` and `probe.json`."""
        self.probe.save(folder)

    def summary(self) -> Mapping[str, Any]:
        """Rows used, and those dropped and why."""
        training = self.probe.training
        return {
            "train_rows": training.train_rows,
            "validation_rows": training.validation_rows,
            "truncated": training.truncated,
            "left_out": training.left_out,
            **{f"dropped ({reason})": number for reason, number in training.dropped.items()},
        }

    def curve(self) -> pd.DataFrame:
        """Both stages of training."""
        return curve_table(self.probe.training.curve)

    def notes(self, evidence: Evidence) -> Mapping[str, int]:
        """Values set to 0, and answers of which only the first tokens are read."""
        zeroed = self.probe.clean(evidence.features).zeroed
        notes = {f"set to 0 ({reason})": number for reason, number in zeroed.items()}
        truncated = self.probe.truncated(evidence.lengths.tolist())
        return notes | ({"truncated": truncated} if truncated else {})


class CCPS(TrainedMethod):
    """A probe that reads how the answer's tokens hold up when their hidden states are pushed against them.

    Source: arXiv 2505.21772; 75 stability features, contrastive encoder and classifier. Settings: `conf/probe`.
    """

    name = "ccps"
    label = "CCPS"
    source = "probe on 75 stability features (arXiv 2505.21772)"
    version = 2

    def recipe(self, settings: TrainingSettings) -> ProbeConfig:
        """The probe's."""
        return settings.probe

    def fit(self, answers: TrainingAnswers, settings: TrainingSettings, seed: int, reporting: Reporting) -> Fitted:
        """Fit the probe to every token's features."""
        lengths = answers.evidence.lengths
        probe = fit_probe(
            answers.evidence.features,
            np.repeat(answers.correct, lengths),
            np.repeat(answers.question_ids, lengths).tolist(),
            settings.probe,
            seed,
            radius=settings.radius,
            reporting=reporting,
        )
        return FittedCCPS(probe)

    def load(self, folder: Path) -> Fitted:
        """Read the probe."""
        return FittedCCPS(FittedProbe.load(folder))
