"""The stability of the states that predicted each token of a step: by a probe, or by the exact flip radius."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ccps.core.artifacts import Artifact, hash_file
from ccps.faithful import Step
from ccps.methods.stored_scorer import StoredScorer
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.pipeline.model import load_head
from ccps.reasoning.stability import check_step_probe, probe_stability, radius_stability, token_radii, typical_radius
from ccps.stages.faithful.by_shard import ByShardStage, Rows
from ccps.stages.faithful.estimators import Estimator, StepScores, missing
from ccps.stages.faithful.stored import Stored, stored_traces

_SCHEMA = pa.schema([("trace_id", pa.string()), ("radii", pa.list_(pa.float32()))])
_NO_STATES = "no states"


class RadiiStage(ByShardStage):
    """Rows of trace id and the flip radius of every generated token; none where no states were kept."""

    name = "radii"
    schema = _SCHEMA

    def __init__(self, traces: Artifact, readings: Artifact, head: Artifact, label: str) -> None:
        super().__init__(traces, label)
        self.readings = readings
        self.head = head

    def inputs(self) -> Mapping[str, Any]:
        """The states, and the head."""
        return {"traces": self.source, "readings": self.readings, "head": self.head}

    def prepare(self, device: torch.device) -> None:
        """Load the head in float32."""
        self.layer = load_head(self.head).to(device, torch.float32)

    def step(self, content: int) -> Rows:
        """Radii of the tokens of the traces of a shard."""
        device = self.layer.weight.device
        rows = []
        for stored in stored_traces(self.source, self.readings, ("final",), [content]):
            final, ids = stored.reading.final, stored.trace.token_ids
            radii = None if final is None or ids is None else token_radii(final.to(device), self.layer, ids)
            rows.append({"trace_id": stored.trace.id, "radii": radii})
        return rows

    def summary_of(self, rows: pd.DataFrame) -> Mapping[str, Any]:
        """Say how many tokens there are, how many were not the likeliest, and the radius others are measured by."""
        radii = [own for own in rows["radii"] if own is not None]
        pooled = np.concatenate([np.empty(0), *radii])
        typical = typical_radius(radii)
        return {
            "tokens": len(pooled),
            "not_likeliest": int((pooled == 0).sum()),
            "never_flip": int(np.isinf(pooled).sum()),
            **({"typical_radius": typical} if typical > 0 else {}),
        }


class RadiusEstimator(Estimator):
    """The flip radius of a step's tokens against the typical one of the run; needs no probe.

    Args:
        radii: what the radii stage wrote.
    """

    name = "stability"
    reads_answer = True

    def __init__(self, radii: Artifact) -> None:
        self.radii = radii

    def inputs(self) -> Mapping[str, Any]:
        """The radii."""
        return {"radii": self.radii}

    def prepare(self, device: torch.device) -> None:
        """Read the radii of all traces, and the typical one."""
        rows = self.radii.rows().to_pandas()
        self.by_trace = dict(zip(rows["trace_id"], rows["radii"], strict=True))
        self.typical = float(self.radii.manifest["summary"].get("typical_radius", np.nan))

    def score(self, stored: Stored, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        radii = self.by_trace.get(stored.trace.id)
        if radii is None:
            return missing(steps, _NO_STATES)
        if not self.typical > 0:
            return missing(steps, "no token with a finite radius in the run")
        found = radius_stability(np.array(radii, dtype=np.float64), tokens, self.typical)
        return StepScores(found, _reason(found))


class ProbeEstimator(Estimator):
    """P(correct) by a probe of the main job, read on the tokens of each step.

    Args:
        folder: of the scorer.
        head: of the model that wrote the traces.
        fingerprint: of that model.

    Raises:
        UserError: there is no scorer, or none for open-ended answers of this model.
    """

    name = "stability"
    reads_answer = True
    states = ("final",)

    def __init__(self, folder: str, head: Artifact, fingerprint: str) -> None:
        self.scorer = StoredScorer.load(folder)
        check_step_probe(self.scorer, fingerprint)
        self.head = head
        self.folder = Path(folder).expanduser()

    def inputs(self) -> Mapping[str, Any]:
        """The probe and the head."""
        files = sorted(path for path in self.folder.iterdir() if path.is_file())
        return {"probe": [hash_file(path) for path in files], "head": self.head}

    def prepare(self, device: torch.device) -> None:
        """Load the head in float32."""
        self.layer = load_head(self.head).to(device, torch.float32)

    def score(self, stored: Stored, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        final, ids = stored.reading.final, stored.trace.token_ids
        if final is None or ids is None:
            return missing(steps, _NO_STATES)
        found = probe_stability(final.to(self.layer.weight.device), self.layer, ids, tokens, self.scorer)
        noted = {
            "steps longer than the probe reads": found.truncated,
            **{f"feature values that are 0 instead: {reason}": n for reason, n in found.zeroed.items()},
        }
        return StepScores(found.confidence, _reason(found.confidence), noted)


def _reason(confidence: FloatArray) -> str:
    return "steps without tokens" if np.isnan(confidence).any() else ""
