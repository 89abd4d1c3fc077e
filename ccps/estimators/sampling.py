"""Confidence from what the model says when it writes a step anew (prefix-conditioned sampling, arXiv 2606.03969).

Two stages of its own: `continue` writes what the model says instead, `judge` tells how far that agrees with the step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ccps.core.artifacts import Artifact
from ccps.estimators.base import Estimator, OwnStage, StepScores, TraceRun, register
from ccps.estimators.continuing import ContinueStage
from ccps.faithful import Step, TraceRule, sampling_confidence
from ccps.llm import ModelFiles
from ccps.metrics.inputs import IntArray
from ccps.pipeline.by_shard import ByShardStage, Rows, reasons, spent
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Stage
from ccps.reasoning.judges.base import JUDGES, ConsistencyJudge, Pair, judge_inputs, open_judge
from ccps.reasoning.stored_traces import StoredTrace, stored_traces
from ccps.reasoning.trace import Segmentation
from ccps.settings.faithful.judge import JudgeChoice
from ccps.settings.faithful.run import FaithfulSettings

_JUDGED = pa.schema(
    [
        ("trace_id", pa.string()),
        ("step", pa.int32()),
        ("sample", pa.int32()),
        ("inconsistency", pa.float64()),
        ("reply", pa.string()),
        ("reason", pa.string()),
    ]
)


@dataclass
class SharedJudge:
    """Holds a judge between stages, so that a model of its own is loaded once.

    Attributes:
        choice: which one.
        cache: folder in which replies of an endpoint are kept.
    """

    choice: JudgeChoice
    cache: Path
    _opened: ConsistencyJudge | None = field(default=None, repr=False)

    def get(self, segmentation: Segmentation, device: torch.device, model: SharedModel | None) -> ConsistencyJudge:
        """Open the judge, or return it if it is open; one that is the model under study itself is opened anew."""
        if self.choice.is_model_under_study:
            assert model is not None
            return open_judge(self.choice, self.cache, segmentation.mode, device, model.get(device))
        if self._opened is None:
            self._opened = open_judge(self.choice, self.cache, segmentation.mode, device)
        return self._opened

    def release(self) -> None:
        """Free its memory."""
        self._opened = None


class Said(NamedTuple):
    """A text that was said in the place of a step."""

    trace_id: str
    step: int
    sample: int
    pair: Pair
    """It, and the step."""


def continued(drawn: Artifact, traces: Artifact, segmentation: Segmentation, shard: int) -> list[Said]:
    """What `ContinueStage` has drawn for a shard of traces."""
    steps = {one.trace.id: segmentation.steps(one.trace) for one in stored_traces(traces, shards=[shard])}
    return [
        Said(trace, step, row["sample"], Pair(row["text"], steps[trace][step].text))
        for row in drawn.rows(shard).to_pylist()
        if row["sample"] >= 0
        for trace, step in [(row["trace_id"], row["step"])]
    ]


def brought(traces: Artifact, segmentation: Segmentation, shard: int) -> list[Said]:
    """What the traces of a shard bring as said in the place of their steps, each beside the step it was given for."""
    return [
        Said(stored.trace.id, place, sample, Pair(text, stored.trace.steps[part].text.strip()))
        for stored in stored_traces(traces, shards=[shard], alternatives=True)
        if stored.trace.steps
        for place, parts in enumerate(segmentation.placed(stored.trace).parts)
        for part in parts
        for sample, text in enumerate(stored.trace.steps[part].alternatives)
    ]


class JudgeStage(ByShardStage):
    """Rows of trace id, step, sample, inconsistency in [0, 1], the judge's reply, and why it is missing."""

    name = "judge"
    schema = _JUDGED

    def __init__(self, run: TraceRun, source: Artifact, segmentation: Segmentation, judge: SharedJudge) -> None:
        super().__init__(source, run.label)
        self.traces = run.traces
        self.segmentation = segmentation
        self.shared_judge = judge
        self.shared = run.model

    @property
    def title(self) -> str:
        """Whose continuations, and who judges them."""
        return f"{self.label}, {self.shared_judge.choice.name}"

    def inputs(self) -> Mapping[str, Any]:
        """The continuations, by which the steps are known too, and the judge."""
        return {"drawn": self.source, **self.judge_inputs()}

    def judge_inputs(self) -> Mapping[str, Any]:
        """The judge."""
        files = self.shared.files if self.shared else None
        return {"mode": self.segmentation.mode, **judge_inputs(self.shared_judge.choice, files)}

    def prepare(self, device: torch.device) -> None:
        """Open the judge."""
        self.judge = self.shared_judge.get(self.segmentation, device, self.shared)
        self.accounted = self.judge.usage

    def on_predict_end(self) -> None:
        """The judge may close its connections."""
        self.judge.close()

    def step(self, content: int) -> Rows:
        """Judge what was said in the place of the steps of a shard."""
        asked = self.asked(content)
        verdicts = self.judge.judge([one.pair for one in asked]) if asked else []
        return [
            {"trace_id": one.trace_id, "step": one.step, "sample": one.sample, **verdict._asdict()}
            for one, verdict in zip(asked, verdicts, strict=True)
        ]

    def asked(self, shard: int) -> list[Said]:
        """What is judged of a shard: its continuations."""
        return continued(self.source, self.traces, self.segmentation, shard)

    def save_shard(self, outputs: list[Rows], folder: Path) -> Mapping[str, float]:
        """Write the judgements, and note what they have taken of an endpoint."""
        before, self.accounted = self.accounted, self.judge.usage
        return {**super().save_shard(outputs, folder), **spent(before, self.accounted)}

    def summary_of(self, rows: pd.DataFrame) -> Mapping[str, Any]:
        """Say how often continuations agree, and count what has no judgement, by reason."""
        known = rows["inconsistency"].dropna()
        return {
            "judged": len(known),
            "unjudged": len(rows) - len(known),
            **({"mean_inconsistency": float(known.mean())} if len(known) else {}),
            "reasons": reasons(rows["reason"]),
        }


class JudgeGivenStage(JudgeStage):
    """The same of what traces bring with them as said in the place of their steps.

    Each is compared with the step that it was given for. Where such steps are taken together to paragraphs, a paragraph
    has the judgements of all of its own; `sample` counts within the given step.
    """

    version = 1

    def __init__(self, run: TraceRun, segmentation: Segmentation, judge: SharedJudge) -> None:
        super().__init__(run, run.traces, segmentation, judge)

    def inputs(self) -> Mapping[str, Any]:
        """The traces, how their steps are taken together, and the judge."""
        return {"traces": self.source, **self.segmentation._asdict(), **self.judge_inputs()}

    def asked(self, shard: int) -> list[Said]:
        """What is judged of a shard: what its traces bring."""
        return brought(self.source, self.segmentation, shard)

    def summary_of(self, rows: pd.DataFrame) -> Mapping[str, Any]:
        """Say too how many alternatives a step has."""
        sizes = rows.groupby(["trace_id", "step"]).size()
        spread = {"fewest": int(sizes.min()), "median": float(sizes.median()), "most": int(sizes.max())}
        return {**super().summary_of(rows), **({"alternatives": spread} if len(sizes) else {})}


def _judge(own: "Sampling", run: TraceRun) -> Stage:
    if run.alternatives:
        return JudgeGivenStage(run, own.segmentation, own.judge)
    return JudgeStage(run, run.made[ContinueStage.name], own.segmentation, own.judge)


def _given_alternatives(summary: Mapping[str, Any]) -> str:
    spread = summary.get("alternatives")
    if not spread:
        return ""
    return (
        f"Sampling: alternatives came with the traces, {spread['fewest']} to {spread['most']} (median "
        f"{spread['median']:g}) to a step that has any."
    )


def _tokenised_anew(summary: Mapping[str, Any]) -> str:
    anew = summary.get("traces_tokenised_anew")
    return f"Sampling: the text of {anew} traces without fitting ids was tokenised anew." if anew else ""


@register
class Sampling(Estimator):
    """Share of a step's continuations that agree with it, see `ccps.faithful.consistency`."""

    name = "sampling"
    label = "Sampling"
    description = (
        "Share of what the model says when it writes a step anew, from the same text before it, that agrees with the "
        "step by a judge (arXiv 2606.03969). In [0, 1], higher is more confident. Of long traces a part of the steps "
        "is sampled."
    )
    released_rule = TraceRule("mean", 0.5)
    reads_tokens = False
    stages = (
        OwnStage(
            ContinueStage,
            lambda own, run: (
                None
                if run.alternatives
                else ContinueStage(run, own.segmentation, own.faithful.sampling, own.faithful.traces.max_batch_tokens)
            ),
            reads_layers=True,
            left_out="continuations",
            note=_tokenised_anew,
        ),
        OwnStage(
            JudgeStage,
            _judge,
            left_out="continuations not judged",
            note=_given_alternatives,
        ),
    )

    def __init__(self, faithful: FaithfulSettings, segmentation: Segmentation, replies: Path) -> None:
        super().__init__(faithful, segmentation, replies)
        self.judge = SharedJudge(faithful.judge, replies)

    def obstacle(self, run: TraceRun) -> str:
        """No model is needed where traces bring what was said instead, unless it is to judge itself."""
        return "" if run.alternatives and not self.keeps_model else super().obstacle(run)

    @property
    def in_words(self) -> str:
        """How is drawn, and who judges."""
        own, given = self.faithful.sampling, self.faithful.rollouts
        if given.path is not None:
            k = "all" if given.k is None else f"the first {given.k}"
            return f"{k} alternatives that came with a step, judged by {self.behind}"
        return (
            f"K = {own.k}, temperature {own.temperature:g}, at most {own.max_new_tokens} tokens, "
            f"at most {own.max_steps} steps of a trace, judged by {self.behind}"
        )

    @property
    def behind(self) -> str:
        """The judge."""
        return JUDGES[self.faithful.judge.name].in_words

    @property
    def keeps_model(self) -> bool:
        """Whether the model judges itself."""
        return self.faithful.judge.is_model_under_study

    def check(self, files: ModelFiles) -> None:
        """Look for the judge's model."""
        judge_inputs(self.faithful.judge, files)

    def inputs(self, run: TraceRun) -> Mapping[str, Any]:
        """The judgements."""
        return {"judged": run.made[JudgeStage.name]}

    def prepare(self, run: TraceRun, device: torch.device) -> None:
        """Gather the judgements of each step."""
        rows = run.made[JudgeStage.name].rows().select(["trace_id", "step", "inconsistency"]).to_pandas()
        self.by_step = {
            key: group.to_numpy() for key, group in rows.groupby(["trace_id", "step"], sort=False)["inconsistency"]
        }

    def score(self, stored: StoredTrace, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        found = sampling_confidence([self.by_step.get((stored.trace.id, index), []) for index in range(len(steps))])
        why = "steps without alternatives" if stored.trace.steps else "steps not sampled, or samples not judged"
        return StepScores(found, why if np.isnan(found).any() else "")

    def release(self) -> None:
        """Let the judge go."""
        self.judge.release()
