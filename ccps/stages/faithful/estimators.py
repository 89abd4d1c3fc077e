"""Estimators of how confident the model is at each step of a trace."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import torch

from ccps.core.artifacts import Artifact
from ccps.faithful import Step, deepconf_steps, rcc, sampling_confidence
from ccps.faithful.rcc import Similarity
from ccps.metrics.inputs import FloatArray, IntArray
from ccps.settings.faithful.estimators import DeepConfConfig, RccConfig
from ccps.stages.faithful.cut import Segmentation
from ccps.stages.faithful.stored import Stored


class StepScores(NamedTuple):
    """Confidence of the steps of one trace.

    Attributes:
        confidence: `[steps]` in [0, 1], higher being more confident; NaN where missing.
        reason: why any is missing, in a few words; empty if none is.
        noted: what else there is to count, by name.
    """

    confidence: FloatArray
    reason: str = ""
    noted: Mapping[str, int] = MappingProxyType({})


class Estimator(ABC):
    """Reads the confidence of steps off a trace."""

    name: ClassVar[str]
    reads_tokens: ClassVar[bool] = True
    """Whether a trace must have token ids that fit its text."""
    reads_answer: ClassVar[bool] = False
    """Whether the final answer is read too, like a step of its own."""
    states: tuple[str, ...] = ()
    """Which states it reads, of those that `Reading` names."""

    @abstractmethod
    def inputs(self) -> Mapping[str, Any]:
        """What determines its result beside the trace and its readings."""

    def prepare(self, device: torch.device) -> None:  # noqa: B027 (some need nothing)
        """Load what it needs."""

    @abstractmethod
    def score(self, stored: Stored, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """Confidence of every step of a trace whose ids fit its text."""


def missing(steps: Sequence[Step], reason: str) -> StepScores:
    """No confidence at all, and why."""
    return StepScores(np.full(len(steps), math.nan), reason)


class DeepConfEstimator(Estimator):
    """Log-probabilities of the likeliest tokens, see `ccps.faithful.deepconf`."""

    name = "deepconf"

    def __init__(self, config: DeepConfConfig, cut: Segmentation) -> None:
        self.config = config
        self.cut = cut

    def inputs(self) -> Mapping[str, Any]:
        """Alternatives per position, and the divisor."""
        return {"k": self.config.k, "scale": self.config.scale}

    def score(self, stored: Stored, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        alternatives = stored.trace.top_log_probs
        if alternatives is None:
            return missing(steps, "no log-probabilities")
        found = deepconf_steps(alternatives, tokens, **self.inputs(), mode=self.cut.mode)
        return StepScores(found, "steps without finite log-probabilities" if np.isnan(found).any() else "")


class RccEstimator(Estimator):
    """Probabilities chained through hidden states, see `ccps.faithful.rcc`."""

    name = "rcc"

    def __init__(self, config: RccConfig, cut: Segmentation) -> None:
        self.config = config
        self.cut = cut
        self.states = (config.hidden,)

    def inputs(self) -> Mapping[str, Any]:
        """Threshold, memory, states, similarity, and whose probability counts."""
        config = self.config
        return {
            "mu": config.mu,
            "delta": config.delta,
            "hidden": config.hidden,
            "similarity": config.similarity,
            "token": config.token,
        }

    def score(self, stored: Stored, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        trace, states = stored.trace, getattr(stored.reading, self.config.hidden)
        if states is None:
            return missing(steps, "no states")
        logs = trace.log_probs if self.config.token == "sampled" else _first(trace.top_log_probs)
        if logs is None:
            return missing(steps, "no log-probabilities")
        found = rcc(
            states,
            np.exp(logs),
            tokens,
            len(trace.prompt_ids),
            mu=self.config.mu,
            delta=self.config.delta,
            similarity=cast(Similarity, self.config.similarity),
            mode=self.cut.mode,
        )
        return StepScores(found, "steps without tokens" if np.isnan(found).any() else "")


def _first(alternatives: FloatArray | None) -> FloatArray | None:
    """The log-probability of the likeliest token at each position."""
    return None if alternatives is None else alternatives[:, 0]


class SamplingEstimator(Estimator):
    """How far continuations agree with the step they replace, see `ccps.faithful.consistency`.

    Args:
        judged: what the judge stage wrote.
    """

    name = "sampling"
    reads_tokens = False

    def __init__(self, judged: Artifact) -> None:
        self.judged = judged

    def inputs(self) -> Mapping[str, Any]:
        """The judgements."""
        return {"judged": self.judged}

    def prepare(self, device: torch.device) -> None:
        """Gather the judgements of each step."""
        rows = self.judged.rows().select(["trace_id", "step", "inconsistency"]).to_pandas()
        self.by_step = {
            key: group.to_numpy() for key, group in rows.groupby(["trace_id", "step"], sort=False)["inconsistency"]
        }

    def score(self, stored: Stored, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        found = sampling_confidence([self.by_step.get((stored.trace.id, index), []) for index in range(len(steps))])
        return StepScores(found, "steps not sampled, or samples not judged" if np.isnan(found).any() else "")
