"""Confidence from the log-probabilities of the likeliest tokens (DeepConf, arXiv 2508.15260)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ccps.estimators.base import Estimator, Kept, StepScores, TraceRun, missing, register
from ccps.faithful import Step, TraceRule, deepconf_steps
from ccps.metrics.inputs import IntArray
from ccps.reasoning.stored_traces import StoredTrace


@register
class DeepConf(Estimator):
    """See `ccps.faithful.deepconf`; traces that come with log-probabilities need no model."""

    name = "deepconf"
    label = "DeepConf"
    description = (
        "Confidence from the log-probabilities of the best tokens at each place of a step (arXiv 2508.15260): how far "
        "they lie apart, over a fixed divisor and cut at 1. Higher is more confident. It cannot reach 0: its floor is "
        "ln k over the divisor, 0.201 with the usual 5 and 8."
    )
    released_rule = TraceRule("mean", -1.0)
    needs_model = False

    @property
    def kept(self) -> Kept:
        """So many alternatives."""
        return Kept(alternatives=self.faithful.deepconf.k)

    @property
    def in_words(self) -> str:
        """Alternatives and divisor."""
        return f"k = {self.faithful.deepconf.k}, divisor {self.faithful.deepconf.scale:g}"

    def inputs(self, run: TraceRun) -> Mapping[str, Any]:
        """Alternatives per position, and the divisor."""
        return {"k": self.faithful.deepconf.k, "scale": self.faithful.deepconf.scale, "version": 2}

    def score(self, stored: StoredTrace, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        alternatives, settings = stored.trace.top_log_probs, self.faithful.deepconf
        if alternatives is None:
            return missing(steps, "no log-probabilities")
        mode = self.segmentation.mode
        # The released code averages over what is there; a trace has NaN for what is not.
        known = [own[~np.isnan(own)] for own in alternatives] if mode == "parity" else alternatives
        found = deepconf_steps(known, tokens, k=settings.k, scale=settings.scale, mode=mode)
        return StepScores(found, "steps without finite log-probabilities" if np.isnan(found).any() else "")
