"""Train one method from one seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from ccps.artifacts import ROWS, Artifact
from ccps.methods import Fitted, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.probes import Reporting
from ccps.stages.graded import graded_answers
from ccps.stages.runs import Side
from ccps.stages.stage import Stage, Work


class FitStage(Stage):
    """Trains a method on the graded answers to the training questions, from one seed.

    Writes the method's own files, and the training curve as rows.
    """

    name = "fit"
    version = 2
    unit = "probes"

    def __init__(
        self, method: TrainedMethod, train: Side, head: Artifact, model: str, settings: TrainingSettings, seed: int
    ) -> None:
        super().__init__()
        self.method = method
        self.train_side = train
        self.head = head
        self.model = model
        self.settings = settings
        self.seed = seed

    @property
    def title(self) -> str:
        """What the probe is for, and its seed."""
        return f"{self.model}, {self.method.name}, seed {self.seed}"

    def inputs(self) -> Mapping[str, Any]:
        """What the method reads, grades, recipe and seed."""
        recipe = self.method.recipe(self.settings)
        return {
            "method": [self.method.name, self.method.version],
            "evidence": self.train_side.evidence_keys(self.method),
            "grades": self.train_side.labels.key,
            "recipe": OmegaConf.to_container(OmegaConf.structured(recipe), enum_to_str=True),
            "seed": self.seed,
        }

    def plan(self) -> Sequence[Sequence[Work]]:
        """One probe."""
        return [[Work(None)]]

    def step(self, content: None) -> Fitted:
        """Train."""
        answers = graded_answers(self.train_side, self.method, int(self.head.summary["vocabulary"]))
        known = TrainingAnswers(answers.evidence, answers.correct, answers.question_ids)
        prefix = f"fit/{self.model}/{self.method.name}/seed{self.seed}"
        reporting = Reporting(logger=self.trainer.logger, log_prefix=prefix)
        with torch.enable_grad():  # the surrounding pass over the stage's work is a prediction
            return self.method.fit(known, self.settings, self.seed, reporting)

    def save_shard(self, outputs: list[Fitted], folder: Path) -> Mapping[str, float]:
        """Write what was learnt, and its training curve."""
        fitted = outputs[0]
        folder.mkdir(parents=True, exist_ok=True)
        fitted.save(folder)
        fitted.curve().to_parquet(folder / ROWS, index=False)
        return {"n": fitted.summary()["train_rows"]}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Rows used, and those dropped and why."""
        return self.method.load(artifact.folder / "00000").summary()


def load_fitted(method: TrainedMethod, artifact: Artifact) -> Fitted:
    """Read what a complete fit artifact holds, its files checked."""
    folders = {artifact.path(name.partition("/")[2]).parent for name in artifact.manifest["files"]}
    (folder,) = folders
    return method.load(folder)
