"""Have the model think: prompts in, traces out. And take in traces that were made elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch

from ccps.asking.follow_up import QUERY, query_ids
from ccps.core.artifacts import Artifact
from ccps.core.disk import hash_file
from ccps.core.errors import expected
from ccps.core.places import local_path
from ccps.data.records import Question, asked_hash
from ccps.engines import Deviation, deviation_cost, deviation_summary
from ccps.faithful import Mode
from ccps.llm import ModelFiles
from ccps.llm.memory import in_parts
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Stage, Work, in_shards
from ccps.reasoning.generate import TraceWriter
from ccps.reasoning.jsonl import read_traces
from ccps.reasoning.jsonl_choice import Choice
from ccps.reasoning.messages import ThinkTag, reasoning_messages, reasoning_prompt, resolved_tag
from ccps.reasoning.offsets import with_offsets
from ccps.reasoning.stored_traces import save_traces
from ccps.reasoning.thought_anchors import files_of, problems
from ccps.reasoning.trace import Trace
from ccps.settings.faithful.condition import PromptCondition
from ccps.settings.faithful.task import TaskSpec
from ccps.settings.faithful.traces import TraceSettings


class Asking(NamedTuple):
    """How questions are put to a reasoning model.

    Attributes:
        task: the task.
        condition: what is said beside it.
        mode: `strict` or `parity`.
        think_tag: who opens the thinking.
        settings: how traces are drawn.
        shard_traces: traces per shard.
    """

    task: TaskSpec
    condition: PromptCondition
    mode: Mode
    think_tag: ThinkTag
    settings: TraceSettings
    shard_traces: int

    def messages(self, question: Question, files: ModelFiles) -> list[dict[str, str]]:
        """What a model is told to have it answer a question, see `reasoning_messages`."""
        return reasoning_messages(
            question,
            self.task,
            self.condition,
            mode=self.mode,
            think_tag=self.think_tag,
            system_role=files.config.system_role,  # type: ignore[arg-type]
        )


class _Drawn(NamedTuple):
    batch: list[int]
    traces: list[Trace]
    deviation: Deviation | None


class TraceStage(Stage):
    """Traces of one model on one task under one prompt condition; rows of `TRACE_SCHEMA`."""

    name = "trace"
    version = 4
    independent = True

    def __init__(
        self, questions: Sequence[Question], label: str, model: SharedModel, asking: Asking, *, ask_p_true: bool
    ) -> None:
        super().__init__()
        self.ask_p_true = ask_p_true
        self.questions = {question.id: question for question in questions}
        self.label = label
        self.shared = model
        self.asking = asking

    @property
    def title(self) -> str:
        """Model, dataset and prompt."""
        return self.label

    def inputs(self) -> Mapping[str, Any]:
        """Model, questions, how they are put, and how is drawn; batching too, which decides the last bits."""
        task, condition, mode, think_tag, settings, shard_traces = self.asking
        drawing = {key: value for key, value in asdict(settings).items() if key not in ("alternatives", "states")}
        return {
            "model": self.shared.files.fingerprint,
            "questions": asked_hash(self.questions.values()),
            "prompt": task.prompt,
            "steps": task.steps,
            "condition": asdict(condition),
            "mode": mode,
            "think_tag": resolved_tag(think_tag, mode),
            **drawing,
            "shard_traces": shard_traces,
            "query": QUERY if self.ask_p_true else None,  # for which room is left in the window
            **self.shared.engine_inputs,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model and build all prompts."""
        lm, asking = self.shared.get(device), self.asking
        prompts = [
            reasoning_prompt(
                lm.tokenizer,
                asking.messages(question, lm.files),
                mode=asking.mode,
                think_tag=asking.think_tag,
            )
            for question in self.questions.values()
        ]
        after = len(query_ids(lm.tokenizer, [{"role": "user", "content": ""}])) if self.ask_p_true else 0
        self.writer = TraceWriter(lm, self.shared.writer(device), list(self.questions), prompts, asking.settings, after)

    def plan(self) -> Sequence[Sequence[Work]]:
        """Batches of like length, gathered into shards; within a shard what ends makes room for what follows."""
        shards = in_shards(self.writer.batches, max(1, self.asking.shard_traces // self._per_question))
        return [
            [Work(group, len(group)) for group in self.writer.joined([work.content for work in shard])]
            for shard in shards
        ]

    @property
    def _per_question(self) -> int:
        return self.asking.settings.traces_per_question

    def step(self, content: list[int]) -> _Drawn:
        """Write the traces of some questions; in parts if memory runs out."""
        groups = in_parts(self._draw, content, self.shared.name)
        return _Drawn(content, [trace for group in groups for trace in group], self.writer.writer.deviation)

    def _draw(self, batch: list[int]) -> list[list[Trace]]:
        drawn, per = self.writer.draw(batch), self._per_question
        return [drawn[start : start + per] for start in range(0, len(drawn), per)]

    def save_shard(self, outputs: list[_Drawn], folder: Path) -> Mapping[str, float]:
        """Write the traces, each with its question."""
        traces = [trace for output in outputs for trace in output.traces]
        save_traces([self._with_question(trace) for trace in traces], folder)
        return {
            "tokens": sum(self.writer.cost(output.batch, output.traces) for output in outputs),
            "n": len(traces),
            **deviation_cost(outputs[-1].deviation),
        }

    def _with_question(self, trace: Trace) -> Trace:
        return replace(trace, question=self.questions[trace.question_id].text)

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the traces, those cut off at the limit, and their tokens."""
        return {**_counts(artifact.written_rows().to_pandas()), **deviation_summary(artifact.costs())}


class ImportStage(Stage):
    """Traces made elsewhere, as they are, with the log-probabilities and steps they come with."""

    name = "trace"
    version = 3
    unit = "traces"

    def __init__(
        self,
        path: str,
        label: str,
        shard_traces: int,
        alternatives: int,
        model: SharedModel | None,
        choice: Choice | None = None,
    ) -> None:
        super().__init__()
        self.path = local_path(path)
        self.choice = choice or Choice()
        self.label = label
        self.shard_traces = shard_traces
        self.alternatives = alternatives
        self.shared = model

    @property
    def title(self) -> str:
        """Which file."""
        return f"{self.label}, from {self.path.name}"

    def inputs(self) -> Mapping[str, Any]:
        """The content of the file.

        Raises:
            UserError: there is no such file.
        """
        if not self.path.exists():
            raise expected("the file of traces", "one that exists", str(self.path), "Correct its `path`.")
        return {
            "file": hash_file(self.path) if self.path.is_file() else self._hashes(),
            "choice": self.choice._asdict(),
            "shard_traces": self.shard_traces,
            "alternatives": self.alternatives,
            "model": self.shared.files.fingerprint if self.shared else None,
        }

    def _hashes(self) -> dict[str, list[str]]:
        """The content of the files of each trace of a folder."""
        return {
            one.id: [hash_file(path) for path in files_of(one, alternatives=self.choice.alternatives)]
            for one in problems(self.path, self.choice.only)
            if self.choice.model in (None, one.model)
        }

    def prepare(self, device: torch.device) -> None:
        """Look through the file: a fault in any line is found before anything is written."""
        self.loaded = read_traces(self.path, self.alternatives, self.choice)
        self.tokenizer = self.shared.get(device).tokenizer if self.shared else None
        self.at, self.coming = 0, iter(self.loaded.traces)

    def plan(self) -> Sequence[Sequence[Work]]:
        """So many traces to a shard, in the order of the file."""
        size, n = self.shard_traces, self.loaded.n
        return [[Work(start, min(size, n - start))] for start in range(0, n, size)]

    def step(self, content: int) -> list[Trace]:
        """Read on from a place in the file, over what an earlier run has taken in; ids get the offsets they lack."""
        found = list(islice(self.coming, content - self.at, content - self.at + self.shard_traces))
        self.at = content + len(found)
        return found if self.tokenizer is None else [with_offsets(self.tokenizer, trace) for trace in found]

    def save_shard(self, outputs: list[list[Trace]], folder: Path) -> Mapping[str, float]:
        """Write them."""
        save_traces(outputs[0], folder)
        return {"n": len(outputs[0])}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the traces, and what of the file was left out."""
        return {**_counts(artifact.written_rows().to_pandas()), "reasons": dict(self.loaded.left_out)}


def _counts(rows: pd.DataFrame) -> dict[str, Any]:
    """How many traces, tokens, and traces that were cut off or whose ids do not fit their text."""
    lengths = [len(ids) for ids in rows["token_ids"] if ids is not None]
    return {
        "traces": len(rows),
        "cut_off": int((rows["ended"] == False).sum()),  # noqa: E712 (unknown is not cut off)
        "misaligned": int((rows["misaligned"] != "").sum()),
        **({"mean_tokens": sum(lengths) / len(lengths), "most_tokens": max(lengths)} if lengths else {}),
    }
