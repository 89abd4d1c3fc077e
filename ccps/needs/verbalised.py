"""Ask the model in words about its own answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.asking.verbalised import MAX_NEW_TOKENS, QUERY, Reply, Verbalisation
from ccps.core.artifacts import ROWS, Artifact
from ccps.core.reasons import with_reasons
from ccps.methods.evidence import FloatArray
from ccps.needs.answers import all_empty
from ccps.needs.base import AnsweredQuestions, Need, Respondent, Source, register
from ccps.needs.stage import AskingStage
from ccps.pipeline.stage import Stage, Work, in_shards
from ccps.settings.experiment import Config

_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("text", pa.string()),
        ("probability", pa.float64()),
        ("reason", pa.string()),
        ("cost", pa.int32()),
    ]
)


class VerbaliseStage(AskingStage):
    """Rows of question id, the model's words, the probability they name (NaN if none) and why they name none.

    Empty answers are not asked about.
    """

    name = "verbalise"
    version = 2
    independent = True

    def inputs(self) -> Mapping[str, Any]:
        """The answers, which say how they came about, and the query; batching too, which decides the last bits."""
        return {
            "answers": self.answered.answers,
            "query": QUERY,
            "max_new_tokens": MAX_NEW_TOKENS,
            "max_batch_tokens": self.respondent.manner.max_batch_tokens,
            "shard_questions": self.respondent.shard_questions,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model and lay out all conversations.

        Raises:
            UserError: all answers are empty.
        """
        rows = self.answered.answers.rows().select(["question_id", "text", "is_empty"]).to_pylist()
        asked = [row for row in rows if not row["is_empty"]]
        if not asked:
            raise all_empty(self.answered.label)
        self.ids = [row["question_id"] for row in asked]
        by_id = {question.id: question for question in self.answered.questions}
        questions = [by_id[name] for name in self.ids]
        self.asked = Verbalisation(
            self.respondent.model.get(device), questions, [row["text"] for row in asked], self.respondent.manner
        )

    def plan(self) -> Sequence[Sequence[Work]]:
        """Batches of like length, gathered into shards."""
        return in_shards(self.asked.batches, self.respondent.shard_questions)

    def step(self, content: list[int]) -> list[tuple[str, Reply]]:
        """Ask about one batch of answers, given by their positions."""
        return [(self.ids[index], reply) for index, reply in zip(content, self.asked.ask(content), strict=True)]

    def save_shard(self, outputs: list[list[tuple[str, Reply]]], folder: Path) -> Mapping[str, float]:
        """Write the replies."""
        rows = [{"question_id": name, **reply._asdict()} for output in outputs for name, reply in output]
        table = pa.Table.from_pylist(rows, schema=_SCHEMA)
        pq.write_table(table.drop(["cost"]), folder / ROWS)
        return {"n": table.num_rows, "tokens": sum(table["cost"].to_pylist())}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the replies, and those that name no probability, by reason."""
        rows = artifact.written_rows().to_pandas()
        reasons = Counter(reason for reason in rows["reason"] if reason)
        named = rows["probability"].dropna()
        return with_reasons(
            {
                "asked": len(rows),
                "named": len(named),
                **({"mean_probability": float(named.mean())} if len(named) else {}),
                "no probability": reasons,
            }
        )


@register
class VerbalisedConfidence(Need):
    """`[answers]` P(correct) in words of the model's own, in [0, 1]; NaN where it named none."""

    name = "verbalised"
    place = 20
    stages = (VerbaliseStage,)

    def stage(
        self, answered: AnsweredQuestions, respondent: Respondent, config: Config, learnt: Artifact | None
    ) -> Stage:
        """Ask for it."""
        return VerbaliseStage(answered, respondent)

    def read(self, source: Source, question_ids: Sequence[str]) -> FloatArray:
        """What the model named."""
        return read_verbalised(source.own, question_ids)


def read_verbalised(artifact: Artifact, question_ids: Sequence[str]) -> FloatArray:
    """P(correct) in words for some questions, in their order, `[questions]`; NaN where none was named."""
    named = artifact.rows().to_pandas().set_index("question_id")["probability"]
    found: FloatArray = named.loc[list(question_ids)].to_numpy(dtype=np.float64)
    return found
