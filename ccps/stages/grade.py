"""Say of each answer whether it is correct."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.artifacts import ROWS, Artifact
from ccps.data.grading import grade
from ccps.data.records import Question
from ccps.stages.stage import Stage, Work

_SCHEMA = pa.schema(
    [("question_id", pa.string()), ("subject", pa.string()), ("text", pa.string()), ("correct", pa.bool_())]
)


class GradeStage(Stage):
    """Grades the answers of one answer stage: rows of question id, subject, answer text and `correct`."""

    name = "grade"

    def __init__(self, answers: Artifact, questions: Sequence[Question], label: str, grader: str) -> None:
        super().__init__()
        self.answers = answers
        self.questions = {question.id: question for question in questions}
        self.label = label
        self.grader = grader

    @property
    def title(self) -> str:
        """What is graded, and how."""
        return f"{self.label}, {self.grader}"

    def inputs(self) -> Mapping[str, Any]:
        """The answers and the grader."""
        return {"answers": self.answers.key, "grader": self.grader}

    def prepare(self, device: torch.device) -> None:
        """Read the answers."""
        self.rows = self.answers.rows().select(["question_id", "text"]).to_pylist()

    def plan(self) -> Sequence[Sequence[Work]]:
        """All in one step: a string comparison each."""
        return [[Work(self.rows, len(self.rows))]]

    def step(self, content: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Grade answers."""
        graded = []
        for row in content:
            question = self.questions[row["question_id"]]
            correct = grade(row["text"], question, self.grader)  # type: ignore[arg-type]
            graded.append({**row, "subject": question.subject, "correct": correct})
        return graded

    def save_shard(self, outputs: list[list[dict[str, Any]]], folder: Path) -> Mapping[str, float]:
        """Write the graded rows."""
        pq.write_table(pa.Table.from_pylist(outputs[0], schema=_SCHEMA), folder / ROWS)
        return {"n": len(outputs[0])}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Accuracy of the language model."""
        correct = pq.read_table(artifact.folder / "00000" / ROWS)["correct"].to_pylist()
        return {"graded": len(correct), "accuracy": sum(map(bool, correct)) / len(correct)}
