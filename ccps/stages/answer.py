"""Ask the model, and keep the final state of every answer token from the same forward pass."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from torch import Tensor

from ccps.artifacts import ROWS, TENSORS, Artifact
from ccps.data.grading import is_option_letter
from ccps.data.prompts import chat_messages
from ccps.data.records import Question, questions_hash
from ccps.llm import (
    Passage,
    check_context_window,
    choose_tokens,
    common_prefix,
    compute_prefix,
    final_states,
    plan_batches,
    prompt_ids,
)
from ccps.stages.config import AnsweringConfig
from ccps.stages.model import SharedModel
from ccps.stages.stage import Stage, Work

_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("prompt_ids", pa.list_(pa.int32())),
        ("answer_ids", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("is_letter", pa.bool_()),
        ("is_empty", pa.bool_()),
    ]
)


class _Answered(NamedTuple):
    """Rows of a batch, the states of their answer tokens, and how many tokens the model had to read."""

    rows: list[dict[str, Any]]
    states: Tensor
    tokens: int


class AnswerStage(Stage):
    """Multiple choice as the paper does it: one greedy token per question (CCPS, arXiv 2505.21772).

    Writes rows (question id, prompt and answer token ids, text) and `states` `[answer tokens, d]` in the model's
    dtype, in the order of the rows.
    """

    name = "answer"

    def __init__(
        self,
        questions: Sequence[Question],
        label: str,
        model: SharedModel,
        system_role: str,
        config: AnsweringConfig,
    ) -> None:
        super().__init__()
        self.questions = list(questions)
        self.label = label
        self.shared = model
        self.system_role = system_role
        self.config = config

    @property
    def title(self) -> str:
        """Benchmark and model."""
        return f"{self.label}, {self.shared.name}"

    def inputs(self) -> Mapping[str, Any]:
        """Model, questions and how they are asked; batching too, which decides the last bits."""
        return {
            "model": self.shared.files.fingerprint,
            "questions": questions_hash(self.questions),
            "system_role": self.system_role,
            "method": self.config.method,
            "prompt": self.config.prompt,
            "max_batch_tokens": self.config.max_batch_tokens,
            "shard_questions": self.config.shard_questions,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model, build all prompts, and compute what they share."""
        self.lm = self.shared.get(device)
        self.prompts = [
            prompt_ids(
                self.lm.tokenizer,
                chat_messages(question, system_role=self.system_role),  # type: ignore[arg-type]
                self.config.prompt,  # type: ignore[arg-type]
            )
            for question in self.questions
        ]
        passages = [Passage(prompt) for prompt in self.prompts]
        check_context_window(self.lm, [question.id for question in self.questions], passages)
        shared = common_prefix(self.prompts)
        self.prefix = compute_prefix(self.lm, self.prompts[0][:shared]) if shared else None

    def plan(self) -> Sequence[Sequence[Work]]:
        """Batches of like length, gathered into shards."""
        shared = self.prefix.length if self.prefix else 0
        lengths = [len(prompt) - shared for prompt in self.prompts]
        shards: list[list[Work]] = [[]]
        for batch in plan_batches(lengths, self.config.max_batch_tokens):
            if sum(work.size for work in shards[-1]) >= self.config.shard_questions:
                shards.append([])
            shards[-1].append(Work(batch, len(batch)))
        return shards

    def step(self, content: list[int]) -> _Answered:
        """Answer one batch of questions, given by their positions."""
        passages = [Passage(self.prompts[index]) for index in content]
        states = torch.cat(final_states(self.lm, passages, self.prefix))
        logits = self.lm.own_logits(states)
        options = [len(self.questions[index].options) for index in content]
        chosen = choose_tokens(self.lm, logits, options, self.config.method)  # type: ignore[arg-type]
        shared = self.prefix.length if self.prefix else 0
        rows = [self._row(index, token) for index, token in zip(content, chosen, strict=True)]
        return _Answered(rows, states.cpu(), sum(len(passage.prompt) - shared for passage in passages))

    def save_shard(self, outputs: list[_Answered], folder: Path) -> Mapping[str, float]:
        """Write rows and states."""
        rows = [row for output in outputs for row in output.rows]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / ROWS)
        save_file({"states": torch.cat([output.states for output in outputs])}, folder / TENSORS)
        return {"tokens": sum(output.tokens for output in outputs), "n": len(rows)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the answers, and those that are an option letter or empty."""
        shards = range(len(self.plan()))
        tables = [pq.read_table(artifact.folder / f"{index:05d}" / ROWS) for index in shards]
        rows = pa.concat_tables(tables)
        n = rows.num_rows
        return {
            "answers": n,
            "letter_rate": sum(rows["is_letter"].to_pylist()) / n,
            "empty": sum(rows["is_empty"].to_pylist()),
            "shared_prefix_tokens": self.prefix.length if self.prefix else 0,
            "mean_prompt_tokens": sum(map(len, self.prompts)) / n,
            "template": "chat" if self.lm.tokenizer.chat_template else "plain (the tokenizer has no chat template)",
        }

    def _row(self, index: int, token: int) -> dict[str, Any]:
        question = self.questions[index]
        text = self.lm.tokenizer.decode([token], skip_special_tokens=True).strip()
        return {
            "question_id": question.id,
            "prompt_ids": self.prompts[index],
            "answer_ids": [token],
            "text": text,
            "is_letter": is_option_letter(text, question),
            "is_empty": not text,
        }
