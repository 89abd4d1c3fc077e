"""Fit one probe: the contrastive stage, then encoder and classifier together, each a Lightning training run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf

from ccps.artifacts import ROWS, Artifact
from ccps.probes import FittedProbe, ProbeConfig, Reporting, fit_probe
from ccps.stages.graded import graded_answers
from ccps.stages.stage import Stage, Work


class FitStage(Stage):
    """Fits a probe to the graded feature rows of the training questions, from one seed.

    Writes `probe.safetensors`, `probe.json`, and the training curve as rows.
    """

    name = "fit"
    unit = "probes"

    def __init__(
        self, features: Artifact, grades: Artifact, label: str, config: ProbeConfig, radius: float, seed: int
    ) -> None:
        super().__init__()
        self.features = features
        self.grades = grades
        self.label = label
        self.config = config
        self.radius = radius
        self.seed = seed

    @property
    def title(self) -> str:
        """What the probe is for, and its seed."""
        return f"{self.label}, seed {self.seed}"

    def inputs(self) -> Mapping[str, Any]:
        """Features, grades, recipe and seed."""
        return {
            "features": self.features.key,
            "grades": self.grades.key,
            "probe": OmegaConf.to_container(OmegaConf.structured(self.config), enum_to_str=True),
            "seed": self.seed,
        }

    def plan(self) -> Sequence[Sequence[Work]]:
        """One probe."""
        return [[Work(None)]]

    def step(self, content: None) -> FittedProbe:
        """Fit the probe."""
        answers = graded_answers(self.features, self.grades)
        reporting = Reporting(logger=self.trainer.logger, log_prefix=f"fit/{self.label}/seed{self.seed}")
        with torch.enable_grad():  # the surrounding pass over the stage's work is a prediction
            return fit_probe(
                answers.features,
                np.repeat(answers.correct, answers.lengths),
                np.repeat(answers.question_ids, answers.lengths).tolist(),
                self.config,
                self.seed,
                radius=self.radius,
                reporting=reporting,
            )

    def save_shard(self, outputs: list[FittedProbe], folder: Path) -> Mapping[str, float]:
        """Write the probe and its training curve."""
        probe = outputs[0]
        probe.save(folder)
        curve = pd.DataFrame(point._asdict() for point in probe.training.curve)
        curve = curve.rename(columns={"val_loss": "loss", "val_accuracy": "accuracy"})
        curve.to_parquet(folder / ROWS, index=False)
        return {"n": probe.training.train_rows}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Rows used, and those dropped and why."""
        training = FittedProbe.load(artifact.folder / "00000").training
        return {
            "train_rows": training.train_rows,
            "validation_rows": training.validation_rows,
            "truncated": training.truncated,
            "left_out": training.left_out,
            **{f"dropped ({reason})": number for reason, number in training.dropped.items()},
        }


def load_probe(artifact: Artifact) -> FittedProbe:
    """Read the probe of a complete fit artifact, its files checked."""
    return FittedProbe.load(artifact.path("probe.json").parent)
