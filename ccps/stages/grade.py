"""Say of each answer whether it is correct."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.artifacts import ROWS, Artifact
from ccps.data.records import Question, questions_hash
from ccps.grading import Grader, Usage
from ccps.stages.stage import Stage, Work, total_cost

_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("subject", pa.string()),
        ("text", pa.string()),
        ("correct", pa.bool_()),
        ("reason", pa.string()),
    ]
)
# Few enough that the progress bar moves while a judge is asked.
_ANSWERS_PER_STEP = 32
# A judge keeps every verdict it has paid for; only the account of what it cost is lost with an unfinished shard.
_STEPS_PER_SHARD = 16


class GradeStage(Stage):
    """Grades the answers of one answer stage by one grader.

    Writes rows of question id, subject, answer text, `correct` (missing where the grader cannot say) and the reason.
    """

    name = "grade"
    version = 2

    def __init__(self, answers: Artifact, questions: Sequence[Question], label: str, grader: Grader) -> None:
        super().__init__()
        self.answers = answers
        self.questions = {question.id: question for question in questions}
        self.label = label
        self.grader = grader
        self.accounted = grader.usage

    @property
    def title(self) -> str:
        """What is graded, and how."""
        return f"{self.label}, {self.grader.name}"

    def inputs(self) -> Mapping[str, Any]:
        """The answers and everything that decides a verdict on them."""
        return {
            "answers": self.answers.key,
            "questions": questions_hash(self.questions.values()),
            "grader": self.grader.settings(),
        }

    def prepare(self, device: torch.device) -> None:
        """Read the answers."""
        self.rows = self.answers.rows().select(["question_id", "text"]).to_pylist()

    def plan(self) -> Sequence[Sequence[Work]]:
        """Some answers at a time."""
        steps = [self.rows[i : i + _ANSWERS_PER_STEP] for i in range(0, len(self.rows), _ANSWERS_PER_STEP)]
        shards = [steps[i : i + _STEPS_PER_SHARD] for i in range(0, len(steps), _STEPS_PER_SHARD)]
        return [[Work(rows, len(rows)) for rows in shard] for shard in shards]

    def step(self, content: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Grade some answers."""
        asked = [(self.questions[row["question_id"]], row["text"]) for row in content]
        return [
            {**row, "subject": question.subject, "correct": verdict.correct, "reason": verdict.reason}
            for row, (question, _), verdict in zip(content, asked, self.grader.grade_all(asked), strict=True)
        ]

    def save_shard(self, outputs: list[list[dict[str, Any]]], folder: Path) -> Mapping[str, float]:
        """Write the graded rows; what a judge has spent on them becomes part of the costs."""
        rows = [row for output in outputs for row in output]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / ROWS)
        before, self.accounted = self.accounted, self.grader.usage
        spent = {
            name: now - earlier
            for name, now, earlier in zip(Usage._fields, self.accounted, before, strict=True)
            if now is not None and earlier is not None
        }
        return {"n": len(rows), "tokens": spent["prompt_tokens"] + spent["completion_tokens"], **spent}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Accuracy of the language model, why answers are unknown, and what a judge has cost."""
        shards = [pq.read_table(artifact.folder / f"{index:05d}" / ROWS) for index in range(len(self.plan()))]
        rows = pa.concat_tables(shards).to_pandas()
        known = rows.dropna(subset="correct")
        unknown = Counter(rows.loc[rows["correct"].isna(), "reason"])
        summary: dict[str, Any] = {"graded": len(rows)}
        if len(known):
            summary["accuracy"] = float(known["correct"].astype(bool).mean())
        summary |= {f"unknown ({reason})": number for reason, number in sorted(unknown.items())}
        if total_cost(artifact, "calls") + total_cost(artifact, "cached"):
            summary |= {name: total_cost(artifact, name) for name in Usage._fields[:-1]}
            if all("cost" in shard for shard in artifact.costs()):
                summary["cost"] = total_cost(artifact, "cost")
        return summary
