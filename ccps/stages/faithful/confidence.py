"""How confident the model is at each step, by one estimator."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import torch

from ccps.core.artifacts import Artifact
from ccps.estimators.base import Estimator, StepScores, TraceRun, missing
from ccps.faithful import Step
from ccps.pipeline.by_shard import ByShardStage, Rows, reasons
from ccps.pipeline.costs import total_cost
from ccps.reasoning.stability import answer_step
from ccps.reasoning.stored_traces import StoredTrace, stored_traces
from ccps.reasoning.trace import Segmentation, Trace

_SCHEMA = pa.schema(
    [("trace_id", pa.string()), ("step", pa.int32()), ("confidence", pa.float64()), ("reason", pa.string())]
)
# Marks a cost that is no cost, but a number of cases.
_NOTED = "noted: "

FINAL_ANSWER = -1
"""Stands for the final answer in a column of steps."""


class ConfidenceStage(ByShardStage):
    """Rows of trace id, step, confidence, and the reason where it is missing; step −1 is the final answer.

    The final answer has a row if it was found in the text, the trace has token ids, and the estimator can read it.
    """

    name = "confidence"
    schema = _SCHEMA

    def __init__(self, run: TraceRun, marks: Artifact, segmentation: Segmentation, estimator: Estimator) -> None:
        super().__init__(run.traces, run.label)
        self.run = run
        self.marks = marks
        self.segmentation = segmentation
        self.estimator = estimator

    @property
    def title(self) -> str:
        """Whose confidence, by which estimator."""
        return f"{self.label}, {self.estimator.name}"

    def inputs(self) -> Mapping[str, Any]:
        """The traces and readings, how they are cut, and the estimator."""
        return {
            "traces": self.source,
            "readings": self.run.readings,
            **({"marks": self.marks} if self.estimator.reads_answer else {}),
            **self.segmentation._asdict(),
            "estimator": self.estimator.name,
            **self.estimator.inputs(self.run),
        }

    def reads(self) -> Sequence[Artifact]:
        """The marks too, of an estimator that does not read the final answer."""
        return [*super().reads(), self.marks]

    def prepare(self, device: torch.device) -> None:
        """Load what the estimator needs, and read the final answers."""
        self.estimator.prepare(self.run, device)
        marks = self.marks.rows()
        self.answers = dict(zip(marks["trace_id"].to_pylist(), marks["answer"].to_pylist(), strict=True))

    def step(self, content: int) -> Rows:
        """All steps of the traces of a shard."""
        rows = []
        for stored in self._stored(content):
            steps = self.segmentation.steps(stored.trace)
            answer = self._answer(stored.trace)
            scores = self._score(stored, [*steps, *answer])
            rows += [
                {
                    "trace_id": stored.trace.id,
                    "step": index if index < len(steps) else FINAL_ANSWER,
                    "confidence": float(value),
                    "reason": scores.reason if math.isnan(value) else "",
                    "noted": scores.noted if index == 0 else {},
                }
                for index, value in enumerate(scores.confidence)
            ]
        return rows

    def _stored(self, shard: int) -> Iterator[StoredTrace]:
        """The traces of a shard, with what the estimator reads of them."""
        own = self.estimator
        return stored_traces(self.source, self.run.readings, own.states, [shard], numbers=own.numbers)

    def _answer(self, trace: Trace) -> list[Step]:
        """The final answer as one more step, if it can be read like one."""
        found = answer_step(trace.text, self.answers.get(trace.id)) if self.estimator.reads_answer else None
        return [] if found is None or trace.offsets is None else [found]

    def _score(self, stored: StoredTrace, steps: Sequence[Step]) -> StepScores:
        tokens = self.segmentation.tokens(stored.trace, steps)
        if tokens is None and self.estimator.reads_tokens:
            absent = "no token ids" if stored.trace.token_ids is None else "no characters known of its token ids"
            return missing(steps, stored.trace.misaligned or absent)
        return self.estimator.score(stored, steps, tokens or [])

    def save_shard(self, outputs: list[Rows], folder: Path) -> Mapping[str, float]:
        """Write the rows, and what else was counted."""
        noted = sum((Counter(row["noted"]) for row in outputs[0]), Counter[str]())
        return {**super().save_shard(outputs, folder), **{_NOTED + name: n for name, n in noted.items()}}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Sum up the rows, and what else was counted."""
        names = sorted({name for cost in artifact.costs() for name in cost if name.startswith(_NOTED)})
        noted = {name.removeprefix(_NOTED): int(total_cost(artifact, name)) for name in names}
        return {**super().summarise(artifact), "noted": noted}

    def summary_of(self, rows: pd.DataFrame) -> Mapping[str, Any]:
        """Count the steps, those without a confidence by reason, and say the mean and the range."""
        steps = rows[rows["step"] != FINAL_ANSWER]
        known = steps["confidence"].dropna()
        spread = {"mean": known.mean(), "least": known.min(), "most": known.max()} if len(known) else {}
        return {
            "steps": len(steps),
            "missing": len(steps) - len(known),
            **{name: float(value) for name, value in spread.items()},
            "reasons": reasons(steps["reason"]),
        }
