"""Traces written as JSONL, which `ccps.reasoning.jsonl` reads back as they were."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ccps.reasoning.jsonl_lines import opened
from ccps.reasoning.trace import Trace


def write_traces(path: Path | str, traces: Iterable[Trace]) -> int:
    """Write traces so that `read_traces` gives them back as they are, with `k` the width of their `top_log_probs`.

    Args:
        path: where to; compressed by gzip if the name ends in `.gz`.
        traces: any traces.

    Returns:
        How many were written.
    """
    n = 0
    with opened(Path(path), "wb") as file:
        for trace in traces:
            file.write((json.dumps(_row(trace), ensure_ascii=False, allow_nan=False) + "\n").encode())
            n += 1
    return n


def _row(trace: Trace) -> dict[str, Any]:
    """What is known of a trace; what is not has no key."""
    row: dict[str, Any] = {
        "id": trace.id,
        "question_id": trace.question_id,
        "question": trace.question,
        "prompt": trace.prompt,
        "gold": list(trace.gold),
        "prompt_ids": [int(token) for token in trace.prompt_ids],
        "misaligned": trace.misaligned,
        "model": trace.model,
        "steps": [{"text": one.text, "alternatives": list(one.alternatives), **one.scores} for one in trace.steps],
    }
    row = {key: value for key, value in row.items() if value}
    row |= {"text": trace.text, "ended": trace.ended, "correct": trace.correct}
    if trace.token_ids is not None:
        row["token_ids"] = [int(token) for token in trace.token_ids]
    if trace.offsets is not None:
        row["offsets"] = trace.offsets.tolist()
    if trace.log_probs is not None:
        row["logprobs"] = [None if math.isnan(value) else value for value in trace.log_probs.tolist()]
    if trace.top_log_probs is not None:
        rows = trace.top_log_probs.tolist()
        row["top_logprobs"] = [[value for value in own if not math.isnan(value)] for own in rows]
    return row
