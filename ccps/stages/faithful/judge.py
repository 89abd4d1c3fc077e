"""What a judge makes of the continuations of steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import torch

from ccps.core.artifacts import Artifact
from ccps.pipeline.model import SharedModel
from ccps.reasoning.consistency_judges import ConsistencyJudge, Pair, judge_inputs, open_judge
from ccps.settings.faithful.judge import JudgeChoice
from ccps.stages.faithful.by_shard import ByShardStage, Rows, reasons, spent
from ccps.stages.faithful.cut import Segmentation
from ccps.stages.faithful.stored import stored_traces

_SCHEMA = pa.schema(
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

    def get(self, cut: Segmentation, device: torch.device, model: SharedModel) -> ConsistencyJudge:
        """Open the judge, or return it if it is open; one that is the model under study itself is opened anew."""
        if self.choice.is_model_under_study:
            return open_judge(self.choice, self.cache, cut.mode, device, model.get(device))
        if self._opened is None:
            self._opened = open_judge(self.choice, self.cache, cut.mode, device)
        return self._opened

    def release(self) -> None:
        """Free its memory."""
        self._opened = None


class JudgeStage(ByShardStage):
    """Rows of trace id, step, sample, inconsistency in [0, 1], the judge's reply, and why it is missing."""

    name = "judge"
    schema = _SCHEMA

    def __init__(
        self, traces: Artifact, drawn: Artifact, label: str, cut: Segmentation, judge: SharedJudge, model: SharedModel
    ) -> None:
        super().__init__(drawn, label)
        self.traces = traces
        self.cut = cut
        self.shared_judge = judge
        self.shared = model

    @property
    def title(self) -> str:
        """Whose continuations, and who judges them."""
        return f"{self.label}, {self.shared_judge.choice.name}"

    def inputs(self) -> Mapping[str, Any]:
        """The continuations, by which the steps are known too, and the judge."""
        choice = self.shared_judge.choice
        return {"drawn": self.source, "mode": self.cut.mode, **judge_inputs(choice, self.shared.files)}

    def prepare(self, device: torch.device) -> None:
        """Open the judge."""
        self.judge = self.shared_judge.get(self.cut, device, self.shared)
        self.accounted = self.judge.usage

    def on_predict_end(self) -> None:
        """The judge may close its connections."""
        self.judge.close()

    def step(self, content: int) -> Rows:
        """Judge the continuations of a shard."""
        stored = stored_traces(self.traces, shards=[content])
        steps = {one.trace.id: self.cut.steps(one.trace) for one in stored}
        rows = [row for row in self.source.rows(content).to_pylist() if row["sample"] >= 0]
        pairs = [Pair(row["text"], steps[row["trace_id"]][row["step"]].text) for row in rows]
        verdicts = self.judge.judge(pairs) if pairs else []
        return [
            {**{name: row[name] for name in ("trace_id", "step", "sample")}, **verdict._asdict()}
            for row, verdict in zip(rows, verdicts, strict=True)
        ]

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
