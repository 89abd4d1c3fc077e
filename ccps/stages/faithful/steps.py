"""The steps of traces, their tokens, and how decisive their words are."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import torch

from ccps.core.artifacts import Artifact
from ccps.faithful import think_block
from ccps.pipeline.by_shard import ByShardStage, Rows, reasons, spent
from ccps.reasoning.decisiveness.base import StepText, decisiveness_inputs, open_scorer
from ccps.reasoning.stored_traces import stored_traces
from ccps.reasoning.trace import Segmentation
from ccps.settings.faithful.decisiveness import DecisivenessConfig
from ccps.stages.faithful.cells import Place

_SCHEMA = pa.schema(
    [
        ("trace_id", pa.string()),
        ("step", pa.int32()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("text", pa.string()),
        ("n_tokens", pa.float64()),
        ("decisiveness", pa.float64()),
        ("reason", pa.string()),
    ]
)


class StepStage(ByShardStage):
    """Rows of trace id, step, span, text, number of tokens, and decisiveness with the reason where it is missing."""

    name = "decide"
    version = 2
    schema = _SCHEMA

    def __init__(
        self, traces: Artifact, place: Place, segmentation: Segmentation, config: DecisivenessConfig, cache: Path
    ) -> None:
        super().__init__(traces, place.label)
        self.place = place
        self.segmentation = segmentation
        self.config = config
        self.cache = cache

    @property
    def title(self) -> str:
        """Whose words, and who judges them."""
        return f"{self.label}, {self.config.name}"

    def inputs(self) -> Mapping[str, Any]:
        """The traces, how they are cut, and the judge of words."""
        return {
            "traces": self.source,
            **self.segmentation._asdict(),
            **decisiveness_inputs(self.config, self.place[:3]),
        }

    def prepare(self, device: torch.device) -> None:
        """Open the scorer."""
        self.scorer = open_scorer(self.config, self.cache, self.segmentation.mode, self.place[:3])
        self.accounted = self.scorer.usage

    def on_predict_end(self) -> None:
        """The scorer may close its connections."""
        self.scorer.close()

    def save_shard(self, outputs: list[Rows], folder: Path) -> Mapping[str, float]:
        """Write the steps, and note what they have taken of an endpoint."""
        before, self.accounted = self.accounted, self.scorer.usage
        return {**super().save_shard(outputs, folder), **spent(before, self.accounted)}

    def step(self, content: int) -> Rows:
        """All steps of the traces of a shard."""
        rows: Rows = []
        for stored in stored_traces(self.source, shards=[content]):
            steps = self.segmentation.steps(stored.trace)
            tokens = self.segmentation.tokens(stored.trace, steps)
            rows += [
                {
                    "trace_id": stored.trace.id,
                    "step": index,
                    "n_tokens": math.nan if tokens is None else float(len(tokens[index])),
                    **step._asdict(),
                }
                for index, step in enumerate(steps)
            ]
        scores = self.scorer.score([StepText(row["trace_id"], row["step"], row["text"]) for row in rows])
        return [
            {**row, "decisiveness": score.value, "reason": score.reason}
            for row, score in zip(rows, scores, strict=True)
        ]

    def summary_of(self, rows: pd.DataFrame) -> Mapping[str, Any]:
        """Count traces, those cut off or without steps, steps, and those whose words could not be judged."""
        traces = [one.trace for one in stored_traces(self.source)]
        blocks = [think_block(trace.text, mode=self.segmentation.mode) for trace in traces]
        absent = sum(len(self.segmentation.placed(trace).absent) for trace in traces if trace.steps)
        unused = self.scorer.unused(zip(rows["trace_id"], rows["step"], strict=True))
        return {
            "traces": len(blocks),
            "thinking_not_closed": sum(block.truncated for block in blocks),
            "surplus_tags": sum(block.surplus_tags for block in blocks),
            "without_steps": len(blocks) - rows["trace_id"].nunique(),
            "steps": len(rows),
            "unjudged": int(rows["decisiveness"].isna().sum()),
            **({"mean_decisiveness": float(rows["decisiveness"].mean())} if rows["decisiveness"].notna().any() else {}),
            "reasons": reasons(rows["reason"]),
            "noted": {
                what: n
                for what, n in (
                    ("scores of the file that fit no step", unused),
                    ("steps that do not stand in the text of their trace", absent),
                )
                if n
            },
        }
