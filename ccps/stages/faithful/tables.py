"""The tables of one run, put together from what its stages left: a row per step, and a row per trace."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ccps.analysis.faithful_data import ALTERNATIVE_COLUMNS
from ccps.core.artifacts import Artifact
from ccps.estimators.base import ESTIMATORS, TraceRun
from ccps.estimators.continuing import ContinueStage
from ccps.estimators.sampling import JudgeStage, Said, brought, continued
from ccps.faithful import think_block
from ccps.reasoning.bridge import ANSWER_SIGNALS
from ccps.reasoning.stability import answer_step
from ccps.reasoning.stored_traces import stored_traces
from ccps.reasoning.trace import Segmentation, Trace
from ccps.stages.faithful.confidence import FINAL_ANSWER


class MeasuredRun(NamedTuple):
    """What the stages left of one run.

    Attributes:
        run: the traces, and what was read off their tokens.
        marks: whether their answers are right.
        steps: their steps, and how decisive the words are.
        confidences: by estimator.
    """

    run: TraceRun
    marks: Artifact
    steps: Artifact
    confidences: Mapping[str, Artifact]

    @property
    def artifacts(self) -> list[Artifact]:
        """All that tables are made of."""
        own = [self.run.traces, self.run.readings, self.marks, self.steps, *self.confidences.values()]
        return [artifact for artifact in own if artifact is not None]


def estimators_of(measured: Sequence[MeasuredRun]) -> list[str]:
    """The estimators that any of some runs has."""
    return list(dict.fromkeys(name for one in measured for name in one.confidences))


def answer_signals() -> list[str]:
    """Columns of the trace table that say whether the final answer is right."""
    return [*ANSWER_SIGNALS, *(f"answer_{name}" for name, kind in ESTIMATORS.items() if kind.reads_answer)]


def step_table(measured: MeasuredRun) -> pd.DataFrame:
    """A row per step: trace_id, step, start, end, text, n_tokens, decisiveness, and a column per estimator."""
    table = measured.steps.rows().to_pandas().drop(columns="reason")
    for name, artifact in measured.confidences.items():
        own = artifact.rows().select(["trace_id", "step", "confidence"]).to_pandas()
        own = own.rename(columns={"confidence": name})
        table = table.merge(own, on=["trace_id", "step"], how="left", validate="one_to_one")
    return table


def alternatives_table(
    measured: Sequence[MeasuredRun], segmentation: Segmentation, wanted: Collection[str]
) -> pd.DataFrame:
    """What was said in the place of the steps of some traces, as `ccps.analysis.faithful_data` has it, commonest first.

    Args:
        measured: runs, of which some may have no judgements.
        segmentation: how their traces are cut.
        wanted: ids of the traces.
    """
    rows = [
        (one.trace_id, one.step, one.pair.context, inconsistency)
        for run in (one.run for one in measured if JudgeStage.name in one.run.made)
        for shard in range(run.traces.n_shards)
        for one, inconsistency in _judged(run, segmentation, shard)
        if one.trace_id in wanted
    ]
    table = pd.DataFrame(rows, columns=["trace_id", "step", "text", "inconsistency"])
    grouped = table.groupby(["trace_id", "step", "text"], sort=False)["inconsistency"].agg(["size", "mean"])
    found = grouped.rename(columns={"size": "n", "mean": "inconsistency"}).reset_index()
    return found.sort_values("n", ascending=False, kind="stable")[list(ALTERNATIVE_COLUMNS)]


def _judged(run: TraceRun, segmentation: Segmentation, shard: int) -> Iterator[tuple[Said, float]]:
    judged = run.made[JudgeStage.name].rows(shard)["inconsistency"].to_pylist()
    if run.alternatives:
        said = brought(run.traces, segmentation, shard)
    else:
        said = continued(run.made[ContinueStage.name], run.traces, segmentation, shard)
    return zip(said, judged, strict=True)


def trace_table(measured: MeasuredRun, segmentation: Segmentation) -> pd.DataFrame:
    """A row per trace: what it is, its answer, and what says whether that is right."""
    steps = measured.steps.rows().select(["trace_id"]).to_pandas()["trace_id"].value_counts()
    marks = {row["trace_id"]: row for row in measured.marks.rows().to_pylist()}
    of_answers = {
        f"answer_{name}": _of_answers(measured.confidences.get(name))
        for name, kind in ESTIMATORS.items()
        if kind.reads_answer
    }
    rows = []
    for stored in stored_traces(measured.run.traces, measured.run.readings):
        trace, mark = stored.trace, marks[stored.trace.id]
        block = think_block(trace.text, mode=segmentation.mode)
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
                "p_true": stored.p_true,
                "answer_probability": _answer_probability(trace, mark["answer"], segmentation),
                **{column: known.get(trace.id, np.nan) for column, known in of_answers.items()},
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


def _answer_probability(trace: Trace, answer: str | None, segmentation: Segmentation) -> float:
    """Geometric mean of the probabilities of the final answer's tokens; NaN where it cannot be told."""
    found = answer_step(trace.text, answer)
    tokens = None if found is None or trace.log_probs is None else segmentation.tokens(trace, [found])
    if not tokens or not len(tokens[0]):
        return float("nan")
    assert trace.log_probs is not None
    return float(np.exp(trace.log_probs[tokens[0]].mean()))
