"""Let one method say how probable it is that each answer is correct."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.artifacts import ROWS, Artifact
from ccps.methods import Evidence, Method
from ccps.stages.fit import load_probe
from ccps.stages.graded import graded_answers
from ccps.stages.stage import Stage, Work


class ScoreStage(Stage):
    """Rows of question id, P(correct) and `correct`, for one method and, if it is trained, one seed."""

    name = "score"

    def __init__(
        self,
        method: Method,
        features: Artifact,
        grades: Artifact,
        head: Artifact,
        probe: Artifact | None,
        label: str,
    ) -> None:
        super().__init__()
        self.method = method
        self.features = features
        self.grades = grades
        self.head = head
        self.probe = probe
        self.label = label

    @property
    def title(self) -> str:
        """What is scored, by which method, and of which seed its probe is."""
        seed = f", seed {self.probe.inputs['seed']}" if self.probe else ""
        return f"{self.label}, {self.method.name}{seed}"

    def inputs(self) -> Mapping[str, Any]:
        """Method, features, grades, and the probe if there is one."""
        return {
            "method": [self.method.name, self.method.version],
            "features": self.features.key,
            "grades": self.grades.key,
            "probe": self.probe.key if self.probe else None,
        }

    def prepare(self, device: torch.device) -> None:
        """Read the evidence."""
        self.answers = graded_answers(self.features, self.grades)
        self.evidence = Evidence(
            features=self.answers.features,
            lengths=self.answers.lengths,
            vocabulary=int(self.head.summary["vocabulary"]),
            probe=load_probe(self.probe) if self.probe else None,
        )

    def plan(self) -> Sequence[Sequence[Work]]:
        """All answers at once."""
        return [[Work(None, len(self.answers.question_ids))]]

    def step(self, content: None) -> pa.Table:
        """Score every answer."""
        return pa.table(
            {
                "question_id": self.answers.question_ids,
                "p_correct": self.method.p_correct(self.evidence),
                "correct": self.answers.correct,
            }
        )

    def save_shard(self, outputs: list[pa.Table], folder: Path) -> Mapping[str, float]:
        """Write the scores."""
        pq.write_table(outputs[0], folder / ROWS)
        return {"n": outputs[0].num_rows}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the scores and what could not be scored; for a probe, how many values it had to set to 0."""
        summary: dict[str, Any] = {"scored": len(self.answers.question_ids)}
        summary |= {f"not scored ({reason})": number for reason, number in self.answers.left_out.items()}
        if self.evidence.probe is not None:
            zeroed = self.evidence.probe.clean(self.answers.features).zeroed
            summary |= {f"set to 0 ({reason})": number for reason, number in zeroed.items()}
            if truncated := self.evidence.probe.truncated(self.answers.lengths.tolist()):
                summary["truncated"] = truncated
        return summary
