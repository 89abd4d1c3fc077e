"""Ask the model about its own answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.artifacts import ROWS, Artifact
from ccps.data.records import Question
from ccps.interview import Manner
from ccps.self_evaluation import QUERY, SelfEvaluation
from ccps.stages.model import SharedModel
from ccps.stages.stage import Stage, Work, in_shards


class SelfEvaluateStage(Stage):
    """Rows of question id and the logits of "no" and "yes"; empty answers are not asked about."""

    name = "self_evaluate"

    def __init__(
        self,
        answers: Artifact,
        questions: Sequence[Question],
        label: str,
        model: SharedModel,
        manner: Manner,
        shard_questions: int,
    ) -> None:
        super().__init__()
        self.answers = answers
        self.questions = {question.id: question for question in questions}
        self.label = label
        self.shared = model
        self.manner = manner
        self.shard_questions = shard_questions

    @property
    def title(self) -> str:
        """Benchmark and model."""
        return f"{self.label}, {self.shared.name}"

    def inputs(self) -> Mapping[str, Any]:
        """The answers, which say how they came about, and the query; batching too, which decides the last bits."""
        return {
            "answers": self.answers.key,
            "query": QUERY,
            "max_batch_tokens": self.manner.max_batch_tokens,
            "shard_questions": self.shard_questions,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model and lay out all conversations."""
        rows = self.answers.rows().select(["question_id", "text", "is_empty"]).to_pylist()
        asked = [row for row in rows if not row["is_empty"]]
        self.ids = [row["question_id"] for row in asked]
        questions = [self.questions[name] for name in self.ids]
        self.asked = SelfEvaluation(self.shared.get(device), questions, [row["text"] for row in asked], self.manner)

    def plan(self) -> Sequence[Sequence[Work]]:
        """Batches of like length, gathered into shards."""
        return in_shards(self.asked.batches, self.shard_questions)

    def step(self, content: list[int]) -> pa.Table:
        """Ask about one batch of answers, given by their positions."""
        no, yes = self.asked.ask(content).T.numpy()
        tokens = [len(self.asked.prompts[index]) - self.asked.shared for index in content]
        return pa.table({"question_id": [self.ids[index] for index in content], "no": no, "yes": yes, "tokens": tokens})

    def save_shard(self, outputs: list[pa.Table], folder: Path) -> Mapping[str, float]:
        """Write the logits."""
        rows = pa.concat_tables(outputs)
        pq.write_table(rows.drop(["tokens"]), folder / ROWS)
        return {"n": rows.num_rows, "tokens": sum(rows["tokens"].to_pylist())}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the answers that were asked about, and the share the model calls correct."""
        shards = [pq.read_table(artifact.folder / f"{index:05d}" / ROWS) for index in range(len(self.plan()))]
        rows = pa.concat_tables(shards).to_pandas()
        return {"asked": len(rows), "says_yes": float((rows["yes"] > rows["no"]).mean())}
