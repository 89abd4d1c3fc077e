"""Traces on disk: rows of text and ids, tensors of what was read off each token, steps that traces bring with them."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.metrics.inputs import FloatArray
from ccps.reasoning.trace import GivenStep, Trace

STATES = "states.safetensors"
"""States lie apart from log-probabilities: they are a hundred times as large, and few stages read them."""

STEPS = "steps.parquet"
"""Steps that traces bring with them lie apart too: what was said in their places is a hundred times the text."""

_STEP_SCHEMA = pa.schema(
    [
        ("trace", pa.int32()),
        ("text", pa.string()),
        ("alternatives", pa.list_(pa.string())),
        ("scores", pa.map_(pa.string(), pa.float64())),
    ]
)

TRACE_SCHEMA = pa.schema(
    [
        ("trace_id", pa.string()),
        ("question_id", pa.string()),
        ("question", pa.string()),
        ("gold", pa.list_(pa.string())),
        ("text", pa.string()),
        ("ended", pa.bool_()),
        ("prompt_ids", pa.list_(pa.int32())),
        ("token_ids", pa.list_(pa.int32())),
        ("offsets", pa.list_(pa.int32())),
        ("misaligned", pa.string()),
        ("prompt", pa.string()),
        ("correct", pa.bool_()),
    ]
)


class TokenStates(NamedTuple):
    """Hidden states of one trace, in the model's dtype on the CPU; None where they were not kept or are not wanted.

    Attributes:
        final: `[tokens, d]` final-normed states that predicted each generated token.
        pre_norm: `[prompt + tokens, d]` output of the last decoder layer, before the final norm.
        post_norm: the same after it.
    """

    final: Tensor | None = None
    pre_norm: Tensor | None = None
    post_norm: Tensor | None = None


class StoredTrace(NamedTuple):
    """One trace with what was read off it.

    Attributes:
        trace: its record, with log-probabilities if any were read.
        states: of its tokens.
        p_true: P("yes") when the model is asked whether its answer is correct; NaN if it was not asked.
        numbers: what was made of its states while it was read, as far as it is wanted; by `<measure>.<name>`.
    """

    trace: Trace
    states: TokenStates
    p_true: float
    numbers: Mapping[str, Tensor] = MappingProxyType({})


def trace_row(trace: Trace) -> dict[str, Any]:
    """A trace as a row of `TRACE_SCHEMA`."""
    return {
        "trace_id": trace.id,
        "question_id": trace.question_id,
        "question": trace.question,
        "gold": list(trace.gold),
        "text": trace.text,
        "ended": trace.ended,
        "prompt_ids": list(trace.prompt_ids),
        "token_ids": None if trace.token_ids is None else list(trace.token_ids),
        "offsets": None if trace.offsets is None else np.asarray(trace.offsets).ravel().tolist(),
        "misaligned": trace.misaligned,
        "prompt": trace.prompt,
        "correct": trace.correct,
    }


def save_traces(traces: Sequence[Trace], folder: Path) -> None:
    """Write a shard of traces, and their steps and log-probabilities if they come with any."""
    pq.write_table(pa.Table.from_pylist([trace_row(trace) for trace in traces], schema=TRACE_SCHEMA), folder / ROWS)
    tensors = {}
    for index, trace in enumerate(traces):
        for name in ("top_log_probs", "log_probs"):
            values = getattr(trace, name)
            if values is not None:
                tensors[f"{index}.{name}"] = torch.from_numpy(np.asarray(values, dtype=np.float32))
    if tensors:
        save_file(tensors, folder / TENSORS)
    steps = [
        {"trace": index, **step._asdict(), "scores": list(step.scores.items())}
        for index, trace in enumerate(traces)
        for step in trace.steps
    ]
    if steps:
        pq.write_table(pa.Table.from_pylist(steps, schema=_STEP_SCHEMA), folder / STEPS)


def stored_traces(
    traces: Artifact,
    readings: Artifact | None = None,
    states: Collection[str] = (),
    shards: Sequence[int] | None = None,
    *,
    alternatives: bool = False,
    numbers: Collection[str] = (),
) -> Iterator[StoredTrace]:
    """Read traces one by one, so that memory grows neither with their number nor with states nobody wants.

    Args:
        traces: what the trace stage wrote.
        readings: what the read stage wrote, shard by shard the same traces; None if nothing was read.
        states: which states are wanted, of those that `TokenStates` names.
        shards: which; all if None.
        alternatives: whether steps that traces bring with them come with what was said in their places.
        numbers: the names of the measures whose numbers are wanted, see `ccps.reasoning.measures`.
    """
    wanted = ("top_log_probs", "log_probs", *states)
    names = (TENSORS, STATES) if states else (TENSORS,)
    for shard in range(traces.n_shards) if shards is None else shards:
        rows = traces.rows(shard).to_pylist()
        steps = _steps(traces, shard, alternatives=alternatives)
        asides = readings.rows(shard).to_pylist() if readings is not None else [{}] * len(rows)
        with ExitStack() as opened:
            files = [
                opened.enter_context(safe_open(one.path(name, shard), "pt"))
                for one in (traces, readings)
                for name in names
                if one is not None and name in one.files(shard)
            ]
            for index, (row, aside) in enumerate(zip(rows, asides, strict=True)):
                found = {name: _tensor(files, f"{index}.{name}") for name in wanted}
                kept = TokenStates(**{name: found[name] for name in states})
                trace = replace(_trace(row, found), steps=tuple(steps.get(index, ())))
                yield StoredTrace(trace, kept, aside.get("p_true", float("nan")), _numbers(files, index, numbers))


def _steps(traces: Artifact, shard: int, *, alternatives: bool) -> dict[int, list[GivenStep]]:
    """The steps that the traces of a shard bring with them, by the number of the trace."""
    found: dict[int, list[GivenStep]] = defaultdict(list)
    if STEPS in traces.files(shard):
        columns = ["trace", "text", "scores", *(["alternatives"] if alternatives else [])]
        for row in pq.read_table(traces.path(STEPS, shard), columns=columns).to_pylist():
            found[row["trace"]].append(GivenStep(row["text"], tuple(row.get("alternatives", ())), dict(row["scores"])))
    return found


def _tensor(files: Sequence[Any], name: str) -> Tensor | None:
    """A tensor from the last of some files that holds it."""
    return next((file.get_tensor(name) for file in reversed(files) if name in set(file.keys())), None)


def _numbers(files: Sequence[Any], index: int, measures: Collection[str]) -> dict[str, Tensor]:
    """The numbers of a trace that some measures made, by the name of the measure and their own."""
    beginnings = tuple(f"{index}.{name}." for name in measures)
    found = [(file, key) for file in files for key in (file.keys() if beginnings else ()) if key.startswith(beginnings)]
    return {key.partition(".")[2]: file.get_tensor(key) for file, key in found}


def _trace(row: dict[str, Any], tensors: Mapping[str, Tensor | None]) -> Trace:
    def array(name: str) -> FloatArray | None:
        found = tensors[name]
        return None if found is None else found.numpy().astype(np.float64)

    offsets = row["offsets"]
    return Trace(
        id=row["trace_id"],
        question_id=row["question_id"],
        text=row["text"],
        ended=row["ended"],
        prompt_ids=row["prompt_ids"],
        token_ids=row["token_ids"],
        offsets=None if offsets is None else np.array(offsets, dtype=np.int64).reshape(-1, 2),
        top_log_probs=array("top_log_probs"),
        log_probs=array("log_probs"),
        misaligned=row["misaligned"],
        question=row["question"],
        gold=tuple(row["gold"]),
        prompt=row["prompt"],
        correct=row["correct"],
    )
