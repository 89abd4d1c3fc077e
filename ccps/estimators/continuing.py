"""Continuations of the steps of traces from their own prefixes, which the estimator `sampling` goes by."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.core.artifacts import ROWS, Artifact
from ccps.estimators.base import TraceRun
from ccps.llm import common_prefix, compute_prefix
from ccps.pipeline.by_shard import reasons
from ccps.pipeline.costs import total_cost
from ccps.pipeline.stage import Stage, Work
from ccps.reasoning.continuations import ChosenSteps, Continuation, LeftOut, StepSampler, can_share, choose_steps
from ccps.reasoning.judges.base import EMPTY
from ccps.reasoning.stored_traces import stored_traces
from ccps.reasoning.trace import Segmentation
from ccps.settings.faithful.continuations import ContinuationSettings

_CONTINUED = pa.schema(
    [
        ("trace_id", pa.string()),
        ("step", pa.int32()),
        ("sample", pa.int32()),
        ("text", pa.string()),
        ("n_tokens", pa.int32()),
        ("ended", pa.bool_()),
        ("reason", pa.string()),
    ]
)


class _Drawn(NamedTuple):
    """What was drawn for the traces of a shard."""

    drawn: list[Continuation]
    left_out: list[LeftOut]
    retokenised: int


class ContinueStage(Stage):
    """Rows of trace id, step, sample, text, tokens drawn, whether the turn ended, and why it is missing.

    A step that could not be continued has one row, of sample −1.
    """

    name = "continue"
    version = 4
    unit = "shards"
    independent = True

    def __init__(
        self, run: TraceRun, segmentation: Segmentation, settings: ContinuationSettings, max_batch_tokens: int
    ) -> None:
        super().__init__()
        assert run.model is not None
        self.traces = run.traces
        self.label = run.label
        self.shared = run.model
        self.segmentation = segmentation
        self.settings = settings
        self.max_batch_tokens = max_batch_tokens

    @property
    def title(self) -> str:
        """Whose steps, and how often they are continued."""
        return f"{self.label}, {self.settings.k} continuations a step"

    def inputs(self) -> Mapping[str, Any]:
        """The traces, the model, how they are cut, and how is drawn; batching too, which decides the last bits."""
        return {
            "traces": self.traces,
            "model": self.shared.files.fingerprint,
            **self.segmentation._asdict(),
            **asdict(self.settings),
            "max_batch_tokens": self.max_batch_tokens,
            **self.shared.engine_inputs,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model, read what all prompts begin with, and choose the steps of all traces."""
        self.lm, self.writer = self.shared.get(device), self.shared.writer(device)
        traces = [stored.trace for stored in stored_traces(self.traces)]
        prompts = [list(trace.prompt_ids) for trace in traces if 0 < len(trace.prompt_ids) <= self.lm.context_window]
        self.prefix = compute_prefix(self.lm, prompts[0][: common_prefix(prompts)]) if prompts else None
        lengths = {trace.id: len(self.segmentation.steps(trace)) for trace in traces}
        chosen = choose_steps(list(lengths), list(lengths.values()), self.settings, mode=self.segmentation.mode)
        self.chosen = dict(zip(lengths, chosen, strict=True))
        self.forks = can_share(self.lm, self.writer)

    def plan(self) -> Sequence[Sequence[Work]]:
        """The traces of a shard make a shard."""
        return [[Work(shard)] for shard in range(self.traces.n_shards)]

    def step(self, content: int) -> _Drawn:
        """Continue the steps of the traces of a shard, batch by batch."""
        traces = [stored.trace for stored in stored_traces(self.traces, shards=[content])]
        sampler = StepSampler(
            self.lm,
            [ChosenSteps(trace, self.segmentation.steps(trace), self.chosen[trace.id]) for trace in traces],
            self.settings,
            self.max_batch_tokens,
            mode=self.segmentation.mode,
            unit=self.segmentation.unit,
            writer=self.writer,
            forks=self.forks,
            shared=self.prefix,
        )
        drawn: list[Continuation] = []
        for done, batch in enumerate(sampler.batches):
            self.progress_within(done, len(sampler.batches))
            drawn += [one for step in sampler.draw(batch) for one in step]
        return _Drawn(drawn, sampler.left_out, len(sampler.retokenised))

    def save_shard(self, outputs: list[_Drawn], folder: Path) -> Mapping[str, float]:
        """Write the continuations, and what could not be continued."""
        [found] = outputs
        empty = EMPTY if self.segmentation.mode == "strict" else ""  # parity has them judged like all others
        rows = [{**one._asdict(), "reason": "" if one.text else empty} for one in found.drawn]
        left_out = [{**one._asdict(), "sample": -1} for one in found.left_out]
        pq.write_table(pa.Table.from_pylist([*rows, *left_out], schema=_CONTINUED), folder / ROWS)
        tokens = sum(one.n_tokens for one in found.drawn)
        return {"n": len(rows), "tokens": tokens, "retokenised": found.retokenised}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count continuations, steps, and what is missing, by reason."""
        frame = artifact.written_rows().to_pandas()
        retokenised = int(total_cost(artifact, "retokenised"))
        return {
            "continuations": int((frame["sample"] >= 0).sum()),
            "steps": len(frame[["trace_id", "step"]].drop_duplicates()),
            "missing": int((frame["reason"] != "").sum()),
            "reasons": reasons(frame["reason"]),
            **({"traces_tokenised_anew": retokenised} if retokenised else {}),
        }
