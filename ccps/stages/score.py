"""Let one method say how probable it is that each answer is correct."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.artifacts import ROWS, Artifact
from ccps.methods import Fitted, Method, TrainedMethod
from ccps.stages.fit import load_fitted
from ccps.stages.graded import graded_answers
from ccps.stages.runs import Side
from ccps.stages.stage import Stage, Work


class ScoreStage(Stage):
    """Rows of question id, P(correct) and `correct`, for one method and, if it is trained, one seed."""

    name = "score"
    version = 2

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
        """What is scored, by which method, and from which seed it was trained."""
        seed = f", seed {self.trained.inputs['seed']}" if self.trained else ""
        return f"{self.side.label}, {self.model}, {self.method.name}{seed}"

    def inputs(self) -> Mapping[str, Any]:
        """Method, what it reads, grades, and what it has learnt if it is trained."""
        return {
            "method": [self.method.name, self.method.version],
            "evidence": self.side.evidence_keys(self.method),
            "grades": self.side.labels.key,
            "trained": self.trained.key if self.trained else None,
        }

    def prepare(self, device: torch.device) -> None:
        """Read the evidence."""
        self.answers = graded_answers(self.side, self.method, int(self.head.summary["vocabulary"]))
        self.fitted: Fitted | None = None
        if isinstance(self.method, TrainedMethod):
            assert self.trained is not None
            self.fitted = load_fitted(self.method, self.trained)

    def plan(self) -> Sequence[Sequence[Work]]:
        """All answers at once."""
        return [[Work(None, len(self.answers.question_ids))]]

    def step(self, content: None) -> pa.Table:
        """Score every answer."""
        scorer = self.method if isinstance(self.method, Method) else self.fitted
        assert scorer is not None
        return pa.table(
            {
                "question_id": self.answers.question_ids,
                "p_correct": scorer.p_correct(self.answers.evidence),
                "correct": self.answers.correct,
            }
        )

    def save_shard(self, outputs: list[pa.Table], folder: Path) -> Mapping[str, float]:
        """Write the scores."""
        pq.write_table(outputs[0], folder / ROWS)
        return {"n": outputs[0].num_rows}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the scores and what could not be scored, and what a trained method had to change to score them."""
        return {
            "scored": len(self.answers.question_ids),
            **{f"not scored ({reason})": number for reason, number in self.answers.left_out.items()},
            **(self.fitted.notes(self.answers.evidence) if self.fitted else {}),
        }
