"""Ask the model, and keep the final state of every answer token from the same forward pass."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from ccps.asking.follow_up import QUERY, AfterAnswer, Collected
from ccps.asking.interview import Answer, Interview, Manner
from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.data.records import Question, asked_hash
from ccps.engines import Deviation, deviation_cost, deviation_summary
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Stage, Work, in_shards
from ccps.settings.answering import AnsweringConfig
from ccps.settings.model import ModelConfig

_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("prompt_ids", pa.list_(pa.int32())),
        ("answer_ids", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("is_empty", pa.bool_()),
        ("is_cut", pa.bool_()),
    ]
)


def manner_of(answering: AnsweringConfig, model: ModelConfig) -> Manner:
    """How questions are put to a model."""
    return Manner(
        choice=answering.method,  # type: ignore[arg-type]
        prompt=answering.prompt,  # type: ignore[arg-type]
        max_new_tokens=answering.max_new_tokens,
        system_role=model.system_role,  # type: ignore[arg-type]
        max_batch_tokens=answering.max_batch_tokens,
    )


class _Answered(NamedTuple):
    """Answers to the questions at some positions."""

    batch: list[int]
    answers: list[Answer]
    follow_up: tuple[float, int]
    """Seconds and tokens of reading on."""
    deviation: Deviation | None
    """How far an engine that wrote them differs from the model."""


class AnswerStage(Stage):
    """The model's answers, or those given with the questions, as `Interview` has them.

    Writes rows (question id, prompt and answer token ids, text) and `states` `[answer tokens, d]` in the model's
    dtype, in the order of the rows; and, if they are collected, `layer_states` `[answers, 3, d]` and `self_evaluation`
    `[answers, 2]`, see `ccps.asking.follow_up`. An empty answer has a row and nothing else.
    """

    name = "answer"
    version = 3
    independent = True

    def __init__(
        self,
        questions: Sequence[Question],
        label: str,
        model: SharedModel,
        manner: Manner,
        shard_questions: int,
        collect: Collection[Collected] = (),
    ) -> None:
        super().__init__()
        self.questions = list(questions)
        self.label = label
        self.shared = model
        self.manner = manner
        self.shard_questions = shard_questions
        self.collect = sorted(collect)

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
            "collect": self.collect,
            **({"query": QUERY} if "self_evaluation" in self.collect else {}),
            # Since the token that the chat template puts after an answer ends it.
            **({"ends_with_turn": True, **self.shared.engine_inputs} if self._writes else {}),
        }

    @property
    def _writes(self) -> bool:
        """Whether there are answers to write: neither chosen nor given."""
        return any(not question.options and question.given_answer is None for question in self.questions)

    def prepare(self, device: torch.device) -> None:
        """Load the model, build all prompts, and compute what they share."""
        lm, writer = self.shared.get(device), self.shared.writer(device) if self._writes else None
        self.interview = Interview(lm, self.questions, self.manner, self.collect, writer)

    def plan(self) -> Sequence[Sequence[Work]]:
        """Batches of like length, gathered into shards."""
        return in_shards(self.interview.batches, self.shard_questions)

    def step(self, content: list[int]) -> _Answered:
        """Answer one batch of questions, given by their positions."""
        seconds, tokens = self._read_on()
        answers = self.interview.answer(content)
        seconds_now, tokens_now = self._read_on()
        read_on = seconds_now - seconds, tokens_now - tokens
        return _Answered(content, answers, read_on, self.interview.writer.deviation)

    def save_shard(self, outputs: list[_Answered], folder: Path) -> Mapping[str, float]:
        """Write rows and states."""
        rows = [
            self._row(index, answer)
            for output in outputs
            for index, answer in zip(output.batch, output.answers, strict=True)
        ]
        answers = [answer for output in outputs for answer in output.answers]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / ROWS)
        save_file(_tensors(answers), folder / TENSORS)
        tokens = sum(output.follow_up[1] for output in outputs)
        return {
            "tokens": sum(answer.cost for answer in answers) + tokens,
            "n": len(rows),
            "follow_up_seconds": sum(output.follow_up[0] for output in outputs),
            "follow_up_tokens": tokens,
            **deviation_cost(outputs[-1].deviation),
        }

    def _read_on(self) -> tuple[float, int]:
        """Seconds and tokens of reading on so far."""
        follow_up = self.interview.follow_up
        return (0.0, 0) if follow_up is None else (follow_up.seconds, follow_up.tokens_read)

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the answers, and those that are empty, cut off, or given with the data."""
        rows = artifact.written_rows()
        n = rows.num_rows
        lengths = [len(ids) for ids in rows["answer_ids"].to_pylist()]
        return {
            "answers": n,
            "given": sum(question.given_answer is not None for question in self.questions),
            "empty": sum(rows["is_empty"].to_pylist()),
            "cut": sum(rows["is_cut"].to_pylist()),
            "mean_answer_tokens": sum(lengths) / n,
            "most_answer_tokens": max(lengths),
            **self._after_answer(),
            **deviation_summary(artifact.costs()),
            "shared_prefix_tokens": self.interview.layout.shared,
            "mean_prompt_tokens": sum(map(len, self.interview.prompts)) / n,
            "template": "chat"
            if self.interview.lm.tokenizer.chat_template
            else "plain (the tokenizer has no chat template)",
        }

    def _after_answer(self) -> dict[str, int]:
        """How many tokens are read after each answer: up to the end of its turn, and altogether."""
        follow_up = self.interview.follow_up
        if follow_up is None:
            return {}
        return {"tokens_to_end_of_turn": 1 + follow_up.end, "tokens_after_answer": 1 + len(follow_up.tokens)}

    def _row(self, index: int, answer: Answer) -> dict[str, Any]:
        return {
            "question_id": self.questions[index].id,
            "prompt_ids": self.interview.prompts[index],
            "answer_ids": answer.tokens,
            "text": answer.text,
            "is_empty": not answer.text,
            "is_cut": answer.is_cut,
        }


def _tensors(answers: Sequence[Answer]) -> dict[str, torch.Tensor]:
    """The states of all answer tokens, and what was collected after each answer that has any."""
    # By now the next shard is being computed: copying from a GPU keeps nobody waiting.
    tensors = {"states": torch.cat([answer.states for answer in answers]).cpu()}
    for name in AfterAnswer._fields:
        found = [getattr(answer.after, name) for answer in answers if getattr(answer.after, name) is not None]
        if found:
            tensors[name] = torch.stack(found)
    return tensors
