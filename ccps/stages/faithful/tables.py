"""The tables of one run, put together from what its stages left: a row per step, and a row per trace."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from ccps.core.artifacts import Artifact
from ccps.faithful import think_block
from ccps.reasoning.stability import answer_step
from ccps.reasoning.trace import Trace
from ccps.stages.faithful.confidence import FINAL_ANSWER
from ccps.stages.faithful.cut import Segmentation
from ccps.stages.faithful.stored import stored_traces


class Measured(NamedTuple):
    """What the stages left of one run.

    Attributes:
        traces: the texts.
        readings: what was read off their tokens, if anything.
        marks: whether their answers are right.
        steps: their steps, and how decisive the words are.
        confidences: by estimator.
    """

    traces: Artifact
    readings: Artifact | None
    marks: Artifact
    steps: Artifact
    confidences: Mapping[str, Artifact]

    @property
    def artifacts(self) -> list[Artifact]:
        """All of them."""
        own = [self.traces, self.readings, self.marks, self.steps, *self.confidences.values()]
        return [artifact for artifact in own if artifact is not None]


def step_table(measured: Measured) -> pd.DataFrame:
    """A row per step: trace_id, step, start, end, text, n_tokens, decisiveness, and a column per estimator."""
    table = measured.steps.rows().to_pandas().drop(columns="reason")
    for name, artifact in measured.confidences.items():
        own = artifact.rows().select(["trace_id", "step", "confidence"]).to_pandas()
        own = own.rename(columns={"confidence": name})
        table = table.merge(own, on=["trace_id", "step"], how="left", validate="one_to_one")
    return table


def trace_table(measured: Measured, cut: Segmentation) -> pd.DataFrame:
    """A row per trace: what it is, its answer, and what says whether that is right."""
    steps = measured.steps.rows().select(["trace_id"]).to_pandas()["trace_id"].value_counts()
    marks = {row["trace_id"]: row for row in measured.marks.rows().to_pylist()}
    stability = _of_answers(measured.confidences.get("stability"))
    rows = []
    for stored in stored_traces(measured.traces, measured.readings):
        trace, mark = stored.trace, marks[stored.trace.id]
        block = think_block(trace.text, mode=cut.mode)
        rows.append(
            {
                "trace_id": trace.id,
                "question_id": trace.question_id,
                "question": trace.question,
                "gold": mark["gold"],
                "text": trace.text,
                "answer": mark["answer"],
                "correct": mark["correct"],
                "ended": trace.ended,
                "truncated": block.truncated or trace.ended is False,
                "surplus_tags": block.surplus_tags,
                "misaligned": trace.misaligned,
                "n_steps": int(steps.get(trace.id, 0)),
                "n_tokens": np.nan if trace.token_ids is None else float(len(trace.token_ids)),
                "p_true": stored.reading.p_true,
                "answer_probability": _answer_probability(trace, mark["answer"], cut),
                "answer_stability": stability.get(trace.id, np.nan),
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"correct": object, "ended": object, "answer": object})


def _of_answers(confidence: Artifact | None) -> dict[str, float]:
    """The confidence of the final answer of each trace that has one."""
    if confidence is None:
        return {}
    rows = confidence.rows().to_pandas().query(f"step == {FINAL_ANSWER}")
    return dict(zip(rows["trace_id"], rows["confidence"], strict=True))


def _answer_probability(trace: Trace, answer: str | None, cut: Segmentation) -> float:
    """Geometric mean of the probabilities of the final answer's tokens; NaN where it cannot be told."""
    found = answer_step(trace.text, answer)
    tokens = None if found is None or trace.log_probs is None else cut.tokens(trace, [found])
    if not tokens or not len(tokens[0]):
        return float("nan")
    assert trace.log_probs is not None
    return float(np.exp(trace.log_probs[tokens[0]].mean()))
