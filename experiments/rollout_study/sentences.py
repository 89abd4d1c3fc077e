"""Traces with rollouts as arrays: the sentences of each, their scores, and how far what was said instead agrees."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ccps.core.errors import expected
from ccps.metrics.inputs import FloatArray
from ccps.reasoning.jsonl import read_traces
from ccps.reasoning.jsonl_choice import Choice
from ccps.reasoning.trace import Trace
from ccps.settings.faithful.rollouts import RolloutSettings


@dataclass(frozen=True)
class StudiedTraces:
    """All traces of a file, in its order.

    Attributes:
        traces: those that bring steps.
        left_out: how many bring none.
        inverted: scores of which a high one means little confidence.
    """

    traces: tuple[Trace, ...]
    left_out: int
    inverted: frozenset[str]

    @cached_property
    def score_names(self) -> list[str]:
        """Every score that a step brings, in the order in which they come."""
        return list(dict.fromkeys(name for trace in self.traces for step in trace.steps for name in step.scores))

    def label(self, score: str) -> str:
        """How a score is called as a confidence."""
        return f"1 − {score}" if score in self.inverted else score

    def given(self, trace: Trace, score: str) -> FloatArray:
        """A score of the steps of a trace as a confidence, NaN where missing."""
        found = np.array([step.scores.get(score, np.nan) for step in trace.steps], dtype=np.float64)
        return 1 - found if score in self.inverted else found

    def sentences(self) -> pd.DataFrame:
        """A row per step: model, problem, trace_id, text, place (0 to 1), words, and each confidence by its label."""
        return pd.DataFrame([row for trace in self.traces for row in self._rows(trace)])

    def _rows(self, trace: Trace) -> Iterator[dict[str, object]]:
        given = {self.label(name): self.given(trace, name) for name in self.score_names}
        for place, step in enumerate(trace.steps):
            yield {
                "model": trace.model,
                "problem": trace.question_id,
                "trace_id": trace.id,
                "text": step.text,
                "place": place / max(len(trace.steps) - 1, 1),
                "words": len(step.text.split()),
                **{name: values[place] for name, values in given.items()},
            }


def read_study(settings: RolloutSettings) -> StudiedTraces:
    """Read the traces of a study.

    Raises:
        UserError: the file cannot be read, or no trace brings steps with a score.
    """
    assert settings.path is not None
    scores = None if settings.scores is None else tuple(settings.scores)
    choice = Choice(only=tuple(settings.only), scores=scores, alternatives=settings.alternatives, k=settings.k)
    traces = tuple(read_traces(Path(settings.path).expanduser(), choice=choice).traces)
    with_steps = tuple(trace for trace in traces if trace.steps)
    study = StudiedTraces(with_steps, len(traces) - len(with_steps), frozenset(settings.inverted))
    if not study.score_names:
        wanted = "a file of traces whose steps bring scores"
        raise expected(
            "`rollouts.path`", wanted, settings.path, "Give traces with rollouts, see `ccps.reasoning.jsonl`."
        )
    return study
