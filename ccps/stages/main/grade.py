"""Say of each answer whether it is correct."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.reasons import with_reasons
from ccps.data.records import Question, questions_hash
from ccps.grading import Grader, Usage, is_option_letter
from ccps.grading.letters import SPELLINGS_VERSION
from ccps.pipeline.costs import total_cost
from ccps.pipeline.stage import Stage, Work

_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("subject", pa.string()),
        ("text", pa.string()),
        ("correct", pa.bool_()),
        ("reason", pa.string()),
    ]
)
# Whatever the grader's step: a shard of an earlier run must hold the same answers. A judge keeps every verdict it has
# paid for, so an unfinished shard loses nothing.
_ANSWERS_PER_SHARD = 512


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
            "answers": self.answers,
            "questions": questions_hash(self.questions.values()),
            "grader": self.grader.settings(),
            **({"spellings": SPELLINGS_VERSION} if self._is_choice else {}),
        }

    @property
    def _is_choice(self) -> bool:
        return any(question.options for question in self.questions.values())

    def prepare(self, device: torch.device) -> None:
        """Read the answers."""
        self.rows = self.answers.rows().select(["question_id", "text"]).to_pylist()

    def plan(self) -> Sequence[Sequence[Work]]:
        """As many answers at a time as suits the grader."""
        return [
            [Work(rows, len(rows)) for rows in _parts(shard, self.grader.step_size)]
            for shard in _parts(self.rows, _ANSWERS_PER_SHARD)
        ]

    def on_predict_end(self) -> None:
        """The grader may close its connections."""
        self.grader.close()

    def step(self, content: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Grade some answers."""
        asked = [(self.questions[row["question_id"]], row["text"]) for row in content]
        return [
            {**row, "subject": question.subject, "correct": verdict.correct, "reason": verdict.reason}
            for row, (question, _), verdict in zip(content, asked, self.grader.grade_all(asked), strict=True)
        ]

    def save_shard(self, outputs: list[list[dict[str, Any]]], folder: Path) -> Mapping[str, float]:
        """Write the graded rows; what their judgements have taken becomes part of the costs."""
        rows = [row for output in outputs for row in output]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / ROWS)
        before, self.accounted = self.accounted, self.grader.usage
        spent = Usage(*(now - earlier for now, earlier in zip(self.accounted, before, strict=True)))
        return {"n": len(rows), "tokens": spent.prompt_tokens + spent.completion_tokens, **spent._asdict()}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Accuracy of the language model, why answers are unknown, and what the judgements have taken.

        Of multiple choice also the share of answers that are nothing but an option's letter.
        """
        rows = artifact.written_rows().to_pandas()
        known = rows.dropna(subset="correct")
        unknown = Counter(rows.loc[rows["correct"].isna(), "reason"])
        summary: dict[str, Any] = {"graded": len(rows)}
        if len(known):
            summary["accuracy"] = float(known["correct"].astype(bool).mean())
        if self._is_choice:
            pairs = zip(rows["text"], rows["question_id"], strict=True)
            summary["letter_rate"] = float(
                np.mean([is_option_letter(text, self.questions[name]) for text, name in pairs])
            )
        summary["unknown"] = unknown
        if total_cost(artifact, "calls") + total_cost(artifact, "cached"):
            summary |= {name: total_cost(artifact, name) for name in Usage._fields}
        return with_reasons(summary)


def _parts(rows: Sequence[dict[str, Any]], size: int) -> list[Sequence[dict[str, Any]]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
