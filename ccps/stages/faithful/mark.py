"""Is the answer at the end of a trace right? Of no bearing on faithfulness, and reported beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from ccps.core.artifacts import Artifact
from ccps.data.records import Question
from ccps.faithful import Mode
from ccps.pipeline.by_shard import ByShardStage, Rows, reasons
from ccps.reasoning.answers import Extracted, extract_answer
from ccps.reasoning.marking import Marked, mark, right_answers
from ccps.reasoning.stored_traces import stored_traces
from ccps.reasoning.trace import Trace
from ccps.settings.faithful.task import AnswerKind

_SCHEMA = pa.schema(
    [
        ("trace_id", pa.string()),
        ("answer", pa.string()),
        ("gold", pa.string()),
        ("correct", pa.bool_()),
        ("reason", pa.string()),
    ]
)


class MarkStage(ByShardStage):
    """Rows of trace id, extracted answer, right answers, whether it is right (empty: unknown), and why not known."""

    name = "mark"
    version = 4
    schema = _SCHEMA

    def __init__(
        self, traces: Artifact, label: str, questions: Sequence[Question], kind: AnswerKind, mode: Mode
    ) -> None:
        super().__init__(traces, label)
        self.questions = {question.id: question for question in questions}
        self.kind = kind
        self.mode = mode

    def inputs(self) -> Mapping[str, Any]:
        """The traces, the right answers, and how they are compared."""
        accepted = {name: [*one.accepted, *one.options] for name, one in self.questions.items()}
        return {"traces": self.source, "accepted": accepted, "kind": self.kind, "mode": self.mode}

    def step(self, content: int) -> Rows:
        """Mark the traces of a shard."""
        rows = []
        for stored in stored_traces(self.source, shards=[content]):
            trace = stored.trace
            extracted = extract_answer(trace.text, mode=self.mode)
            question = self.questions.get(trace.question_id) or _own_question(trace)
            marked = mark(extracted.text, question, self.kind, mode=self.mode)
            # Whoever wrote it into a file had the task at hand, and may have judged by more than the last answer.
            given = trace.correct is not None
            rows.append(
                {
                    "trace_id": trace.id,
                    "answer": extracted.text,
                    "gold": " | ".join(right_answers(question, self.kind)),
                    "correct": trace.correct if given else marked.correct,
                    "reason": "" if given else _reason(extracted, marked),
                }
            )
        return rows

    def summary_of(self, rows: pd.DataFrame) -> Mapping[str, Any]:
        """Count right and wrong answers, and those that cannot be marked, by reason."""
        correct = rows["correct"].dropna().astype(bool)
        return {
            "right": int(correct.sum()),
            "wrong": int((~correct).sum()),
            "unknown": len(rows) - len(correct),
            "reasons": reasons(rows.loc[rows["correct"].isna(), "reason"]),
        }


def _reason(extracted: Extracted, marked: Marked) -> str:
    """Why it is not known whether an answer is right; empty if it is."""
    return extracted.how if extracted.text is None else marked.reason


def _own_question(trace: Trace) -> Question:
    """The question of a trace that was made elsewhere, as far as the trace tells."""
    return Question(trace.question_id, "", trace.question, (), tuple(trace.gold), "", "")
