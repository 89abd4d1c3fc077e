"""The stability of the states that predicted each token of a step: by a probe, or by the exact flip radius."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ccps.core.artifacts import hash_file
from ccps.core.places import local_path
from ccps.estimators.base import Estimator, Kept, OwnStage, StepScores, TraceRun, missing, register
from ccps.faithful import Step
from ccps.llm import ModelFiles
from ccps.methods.stored_scorer import StoredScorer
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.pipeline.by_shard import ByShardStage, Rows
from ccps.pipeline.model import load_head
from ccps.reasoning.stability import check_step_probe, probe_stability, radius_stability, token_radii, typical_radius
from ccps.reasoning.stored_traces import StoredTrace, stored_traces
from ccps.reasoning.trace import Segmentation
from ccps.settings.faithful.run import FaithfulSettings

_SCHEMA = pa.schema([("trace_id", pa.string()), ("radii", pa.list_(pa.float32()))])
_NO_STATES = "no states"


class RadiiStage(ByShardStage):
    """Rows of trace id and the flip radius of every generated token; none where no states were kept."""

    name = "radii"
    schema = _SCHEMA

    def __init__(self, run: TraceRun) -> None:
        super().__init__(run.traces, run.label)
        assert run.readings is not None
        assert run.head is not None
        self.readings = run.readings
        self.head = run.head

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
            final, ids = stored.states.final, stored.trace.token_ids
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


def _r0(summary: Mapping[str, Any]) -> str:
    if "typical_radius" not in summary:
        return ""
    r0 = summary["typical_radius"]
    return f"Stability: r0 is {r0:.3g}, the median of the flip radii that are finite and above 0."


@register
class Stability(Estimator):
    """The flip radius of a step's tokens against the typical one of the run; `ProbedStability` if there is a probe."""

    name = "stability"
    label = "Stability"
    description = (
        "How firmly the hidden states hold to the tokens of a step when they are pushed (CCPS, arXiv 2505.21772): "
        "P(correct) by a probe of their stability features, or without one the mean over tokens of r/(r + r0), r being "
        "the exact radius at which the token flips. In [0, 1], higher is more confident."
    )
    reads_answer = True
    needs_head = True
    has_kinds = True
    stages: ClassVar[Sequence[OwnStage]] = (OwnStage(RadiiStage, lambda own, run: RadiiStage(run), note=_r0),)

    @classmethod
    def open(cls, faithful: FaithfulSettings, segmentation: Segmentation, replies: Path) -> Estimator:
        """With a probe if one is set."""
        kind = Stability if faithful.stability.scorer is None else ProbedStability
        return kind(faithful, segmentation, replies)

    @property
    def kept(self) -> Kept:
        """The states that predicted each token."""
        return Kept(states=("final",))

    @property
    def states(self) -> tuple[str, ...]:
        """None: its stage has read them."""
        return ()

    @property
    def behind(self) -> str:
        """What is measured."""
        return "flip radius"

    def inputs(self, run: TraceRun) -> Mapping[str, Any]:
        """The radii."""
        return {"radii": run.made[RadiiStage.name]}

    def prepare(self, run: TraceRun, device: torch.device) -> None:
        """Read the radii of all traces, and the typical one."""
        radii = run.made[RadiiStage.name]
        rows = radii.rows().to_pandas()
        self.by_trace = dict(zip(rows["trace_id"], rows["radii"], strict=True))
        self.typical = float(radii.summary.get("typical_radius", np.nan))

    def score(self, stored: StoredTrace, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        radii = self.by_trace.get(stored.trace.id)
        if radii is None:
            return missing(steps, _NO_STATES)
        if not self.typical > 0:
            return missing(steps, "no token with a finite radius in the run")
        found = radius_stability(np.array(radii, dtype=np.float64), tokens, self.typical)
        return StepScores(found, _reason(found))


class ProbedStability(Stability):
    """P(correct) by a probe of the main job, read on the tokens of each step."""

    stages = ()

    @property
    def states(self) -> tuple[str, ...]:
        """Those that predicted each token."""
        return self.kept.states

    @property
    def behind(self) -> str:
        """What is read."""
        return "CCPS probe"

    @cached_property
    def scorer(self) -> StoredScorer:
        """The probe, with how states are pushed for it.

        Raises:
            UserError: there is none.
        """
        return StoredScorer.load(self.folder)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        assert self.faithful.stability.scorer is not None
        return local_path(self.faithful.stability.scorer)

    def check(self, files: ModelFiles) -> None:
        """Look whether the probe can read steps of this model's traces.

        Raises:
            UserError: there is no scorer, or none for open-ended answers of this model.
        """
        check_step_probe(self.scorer, files.fingerprint)

    def inputs(self, run: TraceRun) -> Mapping[str, Any]:
        """The probe and the head."""
        assert run.head is not None
        files = sorted(path for path in self.folder.iterdir() if path.is_file())
        return {"probe": [hash_file(path) for path in files], "head": run.head}

    def prepare(self, run: TraceRun, device: torch.device) -> None:
        """Load the head in float32."""
        assert run.head is not None
        self.layer = load_head(run.head).to(device, torch.float32)

    def score(self, stored: StoredTrace, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        final, ids = stored.states.final, stored.trace.token_ids
        if final is None or ids is None:
            return missing(steps, _NO_STATES)
        found = probe_stability(final.to(self.layer.weight.device), self.layer, ids, tokens, self.scorer)
        noted = {
            "steps longer than the probe reads": found.truncated,
            **{f"feature values that are 0 instead: {reason}": n for reason, n in found.zeroed.items()},
        }
        return StepScores(found.confidence, _reason(found.confidence), noted)

    def release(self) -> None:
        """Let the head go."""
        self.__dict__.pop("layer", None)


def _reason(confidence: FloatArray) -> str:
    return "steps without tokens" if np.isnan(confidence).any() else ""
