"""The stability of the states that predicted each token of a step: by a probe, or by the exact flip radius."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ccps.core.disk import hash_file
from ccps.core.places import local_path
from ccps.estimators.base import Estimator, Kept, OwnStage, StepScores, TraceRun, missing, register
from ccps.faithful import Step
from ccps.llm import ModelFiles
from ccps.methods.stored_scorer import StoredScorer
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.pipeline.by_shard import ByShardStage, Rows
from ccps.reasoning.pushed import FeatureMeasure, RadiusMeasure
from ccps.reasoning.stability import check_step_probe, probed_steps, radius_stability, tokens_read, typical_radius
from ccps.reasoning.stored_traces import StoredTrace, stored_traces
from ccps.reasoning.trace import Segmentation
from ccps.settings.faithful.run import FaithfulSettings

_SCHEMA = pa.schema([("trace_id", pa.string()), ("radii", pa.list_(pa.float32()))])
_RADII = RadiusMeasure()
_NOT_READ = "not read by the model"


class RadiiStage(ByShardStage):
    """Rows of trace id and the flip radius of every generated token; none where the trace was not read."""

    name = "radii"
    schema = _SCHEMA

    def __init__(self, run: TraceRun) -> None:
        super().__init__(run.traces, run.label)
        assert run.readings is not None
        self.readings = run.readings

    def inputs(self) -> Mapping[str, Any]:
        """The radii, as they were read."""
        return {"traces": self.source, "readings": self.readings}

    def step(self, content: int) -> Rows:
        """Radii of the tokens of the traces of a shard."""
        found = stored_traces(self.source, self.readings, shards=[content], numbers=[_RADII.name])
        radii = ((one.trace.id, one.numbers.get(f"{_RADII.name}.radii")) for one in found)
        return [{"trace_id": name, "radii": None if own is None else own.numpy()} for name, own in radii]

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
    has_kinds = True
    stages: ClassVar[Sequence[OwnStage]] = (OwnStage(RadiiStage, lambda own, run: RadiiStage(run), note=_r0),)

    @classmethod
    def open(cls, faithful: FaithfulSettings, segmentation: Segmentation, replies: Path) -> Estimator:
        """With a probe if one is set."""
        kind = Stability if faithful.stability.scorer is None else ProbedStability
        return kind(faithful, segmentation, replies)

    @property
    def kept(self) -> Kept:
        """The flip radius of each token."""
        return Kept(measures=(_RADII,))

    @property
    def numbers(self) -> tuple[str, ...]:
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
            return missing(steps, _NOT_READ)
        if not self.typical > 0:
            return missing(steps, "no token with a finite radius in the run")
        found = radius_stability(np.array(radii, dtype=np.float64), tokens, self.typical)
        return StepScores(found, _reason(found))


class ProbedStability(Stability):
    """P(correct) by a probe of the main job, read on the tokens of each step."""

    stages = ()

    @property
    def measure(self) -> FeatureMeasure:
        """The features that the probe reads; not the probe, so that another with the same settings reads them too."""
        settings, encoder = self.scorer.settings, self.scorer.probe.config.encoder
        return FeatureMeasure(settings.radius, settings.steps, tokens_read(encoder), self.segmentation.mode)

    @property
    def kept(self) -> Kept:
        """Features of tokens."""
        return Kept(measures=(self.measure,))

    @property
    def numbers(self) -> tuple[str, ...]:
        """The features."""
        return (FeatureMeasure.name,)

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
        """The probe."""
        return {"probe": [hash_file(path) for path in sorted(self.folder.iterdir()) if path.is_file()]}

    def prepare(self, run: TraceRun, device: torch.device) -> None:
        """Nothing: the probe has been loaded."""

    def score(self, stored: StoredTrace, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        table, known = (stored.numbers.get(f"{FeatureMeasure.name}.{name}") for name in ("table", "tokens"))
        if table is None or known is None:
            return missing(steps, _NOT_READ)
        found = probed_steps(table.numpy(), known.numpy(), tokens, self.scorer)
        noted = {
            "steps longer than the probe reads": found.truncated,
            **{f"feature values that are 0 instead: {reason}": n for reason, n in found.zeroed.items()},
        }
        return StepScores(found.confidence, _reason(found.confidence), noted)


def _reason(confidence: FloatArray) -> str:
    return "steps without tokens" if np.isnan(confidence).any() else ""
