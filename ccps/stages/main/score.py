"""Let one method say how probable it is that each answer is correct."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.reasons import with_reasons
from ccps.methods import Fitted, Method, TrainedMethod
from ccps.pipeline.stage import Stage, Work
from ccps.stages.main.fit import fitted_parts, seed_folder, why_unfitted
from ccps.stages.main.graded import graded_answers
from ccps.stages.main.runs import Side

SILENT = "the method says nothing of them"


class ScoreStage(Stage):
    """Rows of question id, P(correct), `correct` and, if the method learns from seeds, seed; all questions for each.

    What a method makes of all seeds together has `ALL_SEEDS` in the place of a seed. A method that could not be fitted
    says nothing of any answer.
    """

    name = "score"
    version = 4

    def __init__(
        self, method: Method | TrainedMethod, side: Side, head: Artifact, trained: Artifact | None, model: str
    ) -> None:
        super().__init__()
        self.method = method
        self.side = side
        self.head = head
        self.trained = trained
        self.model = model

    @property
    def title(self) -> str:
        """What is scored, and by which method."""
        return f"{self.side.label}, {self.model}, {self.method.name}"

    def inputs(self) -> Mapping[str, Any]:
        """Method, what it reads, grades, and what it has learnt if it is trained."""
        return {
            "method": [self.method.name, self.method.version],
            "evidence": self.side.evidence(self.method),
            "grades": self.side.labels,
            "trained": self.trained,
        }

    def reads(self) -> Sequence[Artifact]:
        """Features too, of a method that does not look at them: they say which answers have a token."""
        return [*super().reads(), self.side.features[self.method.direction]]

    def prepare(self, device: torch.device) -> None:
        """Read the evidence, and what the method has learnt."""
        self.answers = graded_answers(self.side, self.method, self.head)
        self.is_mute = self.trained is not None and bool(why_unfitted(self.trained))
        self.seeds: list[int | None] = [*fitted_parts(self.trained)] if self.trained and not self.is_mute else [None]

    def _scorer(self, seed: int | None) -> Fitted | Method:
        """The method, or what it has learnt from a seed; one at a time, as it may be large."""
        if isinstance(self.method, Method):
            return self.method
        assert self.trained is not None
        return self.method.load(seed_folder(self.trained, seed))

    def plan(self) -> Sequence[Sequence[Work]]:
        """All answers at once, seed by seed."""
        return [[Work(seed, len(self.answers.question_ids)) for seed in self.seeds]]

    def step(self, content: int | None) -> pd.DataFrame:
        """Score every answer."""
        return pd.DataFrame(
            {
                "question_id": self.answers.question_ids,
                "p_correct": np.nan if self.is_mute else self._scorer(content).p_correct(self.answers.evidence),
                "correct": self.answers.correct,
                "seed": pd.array([content] * len(self.answers.question_ids), dtype="Int64"),
            }
        )

    def save_shard(self, outputs: list[pd.DataFrame], folder: Path) -> Mapping[str, float]:
        """Write the scores; an answer of which the method says nothing has none."""
        rows = pd.concat(outputs, ignore_index=True)
        rows.dropna(subset="p_correct").to_parquet(folder / ROWS, index=False)
        return {"n": len(self.answers.question_ids)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the scores and what could not be scored, and what a trained method had to change to score them."""
        rows = artifact.written_rows().to_pandas()
        scored = rows["question_id"].nunique()
        silent = len(self.answers.question_ids) - scored
        first = None if self.is_mute else self._scorer(self.seeds[0])
        return with_reasons(
            {
                "scored": scored,
                "not scored": {**self.answers.left_out, **({SILENT: silent} if silent else {})},
                **({} if first is None or isinstance(first, Method) else first.notes(self.answers.evidence)),
            }
        )
