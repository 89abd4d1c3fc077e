"""Confidence chained through hidden states (RCC, arXiv 2601.13368)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np

from ccps.estimators.base import Estimator, Kept, StepScores, TraceRun, missing, register
from ccps.faithful import Step, TraceRule, attended_chain
from ccps.faithful.attention import LEAST, Similarity
from ccps.llm.taking import StateName
from ccps.metrics.inputs import IntArray
from ccps.reasoning.attended import AttentionMeasure
from ccps.reasoning.stored_traces import StoredTrace
from ccps.reasoning.trace import Trace


@register
class Rcc(Estimator):
    """See `ccps.faithful.rcc`; the states themselves are not kept, see `ccps.reasoning.attended`."""

    name = "rcc"
    label = "RCC"
    description = (
        "Confidence from hidden states (arXiv 2601.13368): probabilities of the tokens that the step before attends "
        "to, carried on from step to step. In [0, 1], higher is more confident. The value of a trace is the mean over "
        "its steps, in parity mode that of the last."
    )
    released_rule = TraceRule("last", 0.0)

    @property
    def measure(self) -> AttentionMeasure:
        """Which tokens the step before attends to, from so low a threshold on that μ may be changed afterwards."""
        own = self.faithful.rcc
        hidden, similarity = cast(StateName, own.hidden), cast(Similarity, own.similarity)
        return AttentionMeasure(hidden, similarity, min(LEAST, own.mu), self.segmentation.mode)

    @property
    def kept(self) -> Kept:
        """Which tokens are attended to, and the likeliest token."""
        return Kept(alternatives=1, measures=(self.measure,))

    @property
    def in_words(self) -> str:
        """Threshold, memory and states."""
        own = self.faithful.rcc
        return f"μ = {own.mu:g}, δ = {own.delta:g}, states {own.hidden}"

    def inputs(self, run: TraceRun) -> Mapping[str, Any]:
        """Threshold, memory, states, similarity, and whose probability counts."""
        return asdict(self.faithful.rcc)

    def score(self, stored: StoredTrace, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        trace, own = stored.trace, self.faithful.rcc
        n_tokens = len(trace.token_ids or ())
        attention = self.measure.stored(stored.numbers, self.segmentation.unit, tokens, n_tokens)
        if attention is None:
            return missing(steps, "not read by the model")
        logs = trace.log_probs if own.token == "sampled" else _of_likeliest(trace)
        if logs is None:
            return missing(steps, "no log-probabilities")
        mode = self.segmentation.mode
        found = attended_chain(attention, np.exp(logs), tokens, mu=own.mu, delta=own.delta, mode=mode).p
        return StepScores(found, "steps without tokens" if np.isnan(found).any() else "")


def _of_likeliest(trace: Trace) -> Any:
    """The log-probability of the likeliest token at each position."""
    return None if trace.top_log_probs is None else trace.top_log_probs[:, 0]
