"""Ask the model, and keep the final state of every answer token from the same forward pass."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from ccps.artifacts import ROWS, TENSORS, Artifact
from ccps.data.records import Question, asked_hash
from ccps.grading import is_option_letter
from ccps.interview import Answer, Interview, Manner
from ccps.stages.model import SharedModel
from ccps.stages.stage import Stage, Work, in_shards

_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("prompt_ids", pa.list_(pa.int32())),
        ("answer_ids", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("is_letter", pa.bool_()),
        ("is_empty", pa.bool_()),
        ("is_cut", pa.bool_()),
    ]
)


class _Answered(NamedTuple):
    """Answers to the questions at some positions."""

    batch: list[int]
    answers: list[Answer]


class AnswerStage(Stage):
    """The model's answers, or those given with the questions, as `Interview` has them.

    Writes rows (question id, prompt and answer token ids, text) and `states` `[answer tokens, d]` in the model's
    dtype, in the order of the rows. An empty answer has a row and no states.
    """

    name = "answer"
    version = 2

    def __init__(
        self, questions: Sequence[Question], label: str, model: SharedModel, manner: Manner, shard_questions: int
    ) -> None:
        super().__init__()
        self.questions = list(questions)
        self.label = label
        self.shared = model
        self.manner = manner
        self.shard_questions = shard_questions

    @property
    def title(self) -> str:
        """Benchmark and model."""
        return f"{self.label}, {self.shared.name}"

    def inputs(self) -> Mapping[str, Any]:
        """Model, questions and how they are asked; batching too, which decides the last bits."""
        return {
            "model": self.shared.files.fingerprint,
            "questions": asked_hash(self.questions),
            **asdict(self.manner),
            "shard_questions": self.shard_questions,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model, build all prompts, and compute what they share."""
        self.interview = Interview(self.shared.get(device), self.questions, self.manner)

    def plan(self) -> Sequence[Sequence[Work]]:
        """Batches of like length, gathered into shards."""
        return in_shards(self.interview.batches, self.shard_questions)

    def step(self, content: list[int]) -> _Answered:
        """Answer one batch of questions, given by their positions."""
        return _Answered(content, self.interview.answer(content))

    def save_shard(self, outputs: list[_Answered], folder: Path) -> Mapping[str, float]:
        """Write rows and states."""
        rows = [
            self._row(index, answer)
            for output in outputs
            for index, answer in zip(output.batch, output.answers, strict=True)
        ]
        answers = [answer for output in outputs for answer in output.answers]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / ROWS)
        save_file({"states": torch.cat([answer.states for answer in answers])}, folder / TENSORS)
        return {"tokens": sum(answer.cost for answer in answers), "n": len(rows)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the answers, and those that are empty, cut off, given with the data, or an option letter."""
        shards = range(len(self.plan()))
        rows = pa.concat_tables([pq.read_table(artifact.folder / f"{index:05d}" / ROWS) for index in shards])
        n = rows.num_rows
        lengths = [len(ids) for ids in rows["answer_ids"].to_pylist()]
        letters = [is_letter for is_letter in rows["is_letter"].to_pylist() if is_letter is not None]
        return {
            "answers": n,
            "given": sum(question.given_answer is not None for question in self.questions),
            **({"letter_rate": sum(letters) / len(letters)} if letters else {}),
            "empty": sum(rows["is_empty"].to_pylist()),
            "cut": sum(rows["is_cut"].to_pylist()),
            "mean_answer_tokens": sum(lengths) / n,
            "most_answer_tokens": max(lengths),
            "shared_prefix_tokens": self.interview.shared,
            "mean_prompt_tokens": sum(map(len, self.interview.prompts)) / n,
            "template": "chat"
            if self.interview.lm.tokenizer.chat_template
            else "plain (the tokenizer has no chat template)",
        }

    def _row(self, index: int, answer: Answer) -> dict[str, Any]:
        question = self.questions[index]
        return {
            "question_id": question.id,
            "prompt_ids": self.interview.prompts[index],
            "answer_ids": answer.tokens,
            "text": answer.text,
            "is_letter": is_option_letter(answer.text, question) if question.options else None,
            "is_empty": not answer.text,
            "is_cut": answer.is_cut,
        }
