"""Audit the probe of CCPS: what it listens to, and whether what it has learnt holds for questions of another kind."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.core.keys import digest
from ccps.methods import Evidence, TrainedMethod, TrainingAnswers, TrainingSettings, find_method
from ccps.pipeline.stage import Stage, Work
from ccps.probes import FittedProbe
from ccps.probes.importance import grouped_permutation_importance
from ccps.probes.reporting import SILENT
from ccps.probes.shapley import shap_importance
from ccps.probes.transfer import AnswerTable, Learn, Predict, by_probes, transfer
from ccps.settings.audit import AuditConfig, TransferBy
from ccps.settings.evaluation import EvaluationConfig
from ccps.stages.main.fit import UNFITTED, seed_folder, why_unfitted
from ccps.stages.main.graded import graded_answers
from ccps.stages.main.runs import REFERENCE, Side

IMPORTANCE, SHAP, TRANSFER = "importance", "shap", "transfer"
PARTS = (IMPORTANCE, SHAP, TRANSFER)
LOGISTIC = "ccps_logistic"


class AuditStage(Stage):
    """Feature importance of one fitted probe on all test answers of its format, and transfer between their kinds.

    Writes `importance.parquet` (`grouped_permutation_importance`), `shap.parquet` (`shap_importance`, against training
    answers as background) and `transfer.parquet` (`transfer` from every source of training questions to every other
    one and to every test, of what `by` names). All are empty where the probe could not be fitted.
    """

    name = "audit"
    version = 2
    unit = "parts"

    def __init__(
        self,
        train: Side,
        tests: Sequence[Side],
        head: Artifact,
        fitted: Artifact,
        model: str,
        settings: TrainingSettings,
        seed: int,
        config: AuditConfig,
        evaluation: EvaluationConfig,
    ) -> None:
        super().__init__()
        method = find_method(REFERENCE)
        assert isinstance(method, TrainedMethod)
        self.method = method
        self.train_side = train
        self.tests = list(tests)
        self.head = head
        self.fitted = fitted
        self.model = model
        self.settings = settings
        self.seed = seed
        self.config = config
        self.evaluation = evaluation

    @property
    def title(self) -> str:
        """Whose probe is audited, and for what format."""
        return f"{self.model}, {self.train_side.format}"

    def inputs(self) -> Mapping[str, Any]:
        """The probe, answers, sources of the training questions, and settings."""
        recipe = self.method.recipe(self.settings)
        return {
            "fitted": self.fitted,
            "seed": self.seed,
            "recipe": OmegaConf.to_container(OmegaConf.structured(recipe), enum_to_str=True),
            "sides": [[side.label, side.evidence(self.method), side.labels] for side in (self.train_side, *self.tests)],
            "sources": digest({question.id: question.source for question in self.train_side.questions}),
            **asdict(self.config),
            "carried": [self._carried().name, self._carried().version],
            "resamples": self.evaluation.resamples,
            "level": self.evaluation.level,
            "resampling_seed": self.evaluation.seed,
        }

    def prepare(self, device: torch.device) -> None:
        """Read the probe, if there is one, and all answers."""
        if why_unfitted(self.fitted):
            return
        self.probe = FittedProbe.load(seed_folder(self.fitted, self.seed))
        self.known = self._answers(self.train_side)
        self.tested = {side.label: self._answers(side) for side in self.tests}

    def plan(self) -> Sequence[Sequence[Work]]:
        """A step for each table; all in one shard."""
        return [[Work(part) for part in PARTS]]

    def step(self, content: str) -> pd.DataFrame:
        """Compute one table."""
        if why_unfitted(self.fitted):
            return pd.DataFrame()
        drawn: dict[str, Any] = {
            "resamples": self.evaluation.resamples,
            "level": self.evaluation.level,
            "seed": self.evaluation.seed,
        }
        if content == TRANSFER:
            with torch.enable_grad():  # the surrounding pass over the stage's work is a prediction
                found = transfer(self._by_source(), self.tested, self._learn(), **drawn)
            return found.assign(by=self._carried().label)
        tests = self.tested.values()
        features = np.concatenate([answers.features for answers in tests])
        lengths = np.concatenate([answers.lengths for answers in tests]).tolist()
        if content == IMPORTANCE:
            correct, repeats = np.concatenate([answers.correct for answers in tests]), self.config.repeats
            return grouped_permutation_importance(self.probe, features, lengths, correct, repeats=repeats, **drawn)
        return shap_importance(
            self.probe,
            features,
            lengths,
            self.known.features,
            self.known.lengths.tolist(),
            explained=self.config.explained,
            background=self.config.background,
            permutations=self.config.permutations,
            looks=self.config.looks,
            **drawn,
        )

    def save_shard(self, outputs: list[pd.DataFrame], folder: Path) -> Mapping[str, float]:
        """Write the tables."""
        for part, table in zip(PARTS, outputs, strict=True):
            table.to_parquet(folder / f"{part}.parquet", index=False)
        return {"n": sum(len(table) for table in outputs)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """The drop of each group, and AUROC within and between kinds of questions, with how many are missing."""
        if reason := why_unfitted(self.fitted):
            return {UNFITTED: reason}
        drops = read_table(artifact.shard_folder(0), IMPORTANCE)
        moved = read_table(artifact.shard_folder(0), TRANSFER)
        itself = (moved["split"] == "train") & (moved["train"] == moved["test"])
        means = {
            "auroc on the same source": moved.loc[itself, "value"].mean(),
            "auroc on others": moved.loc[~itself, "value"].mean(),
        }
        return {
            **{f"drop without {row.group}": _known(row.drop) for row in drops.itertuples()},
            **{name: _known(value) for name, value in means.items()},
            "transfers missing": int(moved["value"].isna().sum()),
        }

    def _answers(self, side: Side) -> AnswerTable:
        graded = graded_answers(side, self.method, self.head)
        return AnswerTable(graded.evidence.features, graded.evidence.lengths, graded.correct, graded.question_ids)

    def _carried(self) -> TrainedMethod:
        """What is trained on one source and tested on the others."""
        if self.config.transfer == TransferBy.probe:
            return self.method
        method = find_method(LOGISTIC)
        assert isinstance(method, TrainedMethod)
        return method

    def _learn(self) -> Learn:
        if self.config.transfer == TransferBy.probe:
            # One seed: three probes for each source take their time already.
            return by_probes(self.settings.probe, [self.seed], self.settings.radius)
        return lambda tables: [_learnt(self._carried(), table, self.settings) for table in tables]

    def _by_source(self) -> dict[str, AnswerTable]:
        """The training answers by the benchmark that their questions come from, in order of names."""
        source_of = {question.id: question.source for question in self.train_side.questions}
        sources = np.array([source_of[name] for name in self.known.question_ids])
        return {source: self.known.take(sources == source) for source in sorted(set(source_of.values()))}


def _learnt(method: TrainedMethod, table: AnswerTable, settings: TrainingSettings) -> list[Predict] | str:
    """What a method without a seed makes of answers of which it reads the features alone, or why it makes nothing."""
    known = TrainingAnswers(_evidence(table), table.correct, table.question_ids)
    try:
        [fitted] = method.fit(known, settings, [0], SILENT)
    except UserError as error:
        return str(error)
    return [lambda answers: fitted.p_correct(_evidence(answers))]


def _evidence(table: AnswerTable) -> Evidence:
    return Evidence(table.features, table.lengths, vocabulary=0)


def read_table(folder: Path, part: str) -> pd.DataFrame:
    """One of the tables that the stage has written into the folder of its shard, `part` one of `PARTS`."""
    return pd.read_parquet(folder / f"{part}.parquet")


def _known(value: float) -> float | str:
    return "undefined" if np.isnan(value) else float(value)
