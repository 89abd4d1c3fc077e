"""Confidence that comes with the traces: a score of each step, by whatever made it elsewhere."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ccps.estimators.base import Estimator, StepScores, TraceRun, missing
from ccps.faithful import Step
from ccps.metrics.inputs import IntArray
from ccps.reasoning.stored_traces import StoredTrace

PREFIX = "given_"
"""Before the name of the score, in columns and files."""
_INVERTED = "1-"


class GivenScore(Estimator):
    """Reads a score of the steps of a trace; of several that are taken together their mean. See `given_estimator`."""

    needs_model = False
    reads_tokens = False
    score_name: ClassVar[str]
    is_inverted: ClassVar[bool]

    def obstacle(self, run: TraceRun) -> str:
        """Traces that have no such score."""
        return "" if self.score_name in run.scores else "the traces bring no such score"

    def inputs(self, run: TraceRun) -> Mapping[str, Any]:
        """Which way round it is read."""
        return {"inverted": self.is_inverted}

    def score(self, stored: StoredTrace, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        """See `Estimator.score`."""
        trace = stored.trace
        if not trace.steps:
            return missing(steps, "the trace brings no steps")
        given = np.array([one.scores.get(self.score_name, math.nan) for one in trace.steps])
        own = [given[list(parts)] for parts in self.segmentation.placed(trace).parts]
        known = [part[~np.isnan(part)] for part in own]
        found = np.array([part.mean() if len(part) else math.nan for part in known])
        reason = "steps for which no score was given" if np.isnan(found).any() else ""
        return StepScores(1 - found if self.is_inverted else found, reason)


def given_estimator(score: str, *, inverted: bool) -> type[GivenScore]:
    """The estimator that reads a score.

    Args:
        score: its name in the file.
        inverted: whether a high score means little confidence, so that 1 − score is taken.
    """
    name = f"{PREFIX}{_INVERTED if inverted else ''}{score}"
    return type(
        "GivenScore",
        (GivenScore,),
        {
            "name": name,
            "label": given_label(name),
            "description": f"{given_label(name)}: it came with each step of the traces. In [0, 1].",
            "score_name": score,
            "is_inverted": inverted,
        },
    )


def given_label(name: str) -> str:
    """A given score as readers see it, by the name of its estimator: `given_1-different` is "1 − different (given)"."""
    return f"{name.removeprefix(PREFIX).replace(_INVERTED, '1 − ', 1)} (given)"
