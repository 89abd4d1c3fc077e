"""Traces that a tiny random model draws, and what it reads of them."""

from collections.abc import Sequence
from typing import Any

from ccps.asking.follow_up import FollowUp
from ccps.engines import OwnWriter
from ccps.llm import LanguageModel, prompt_ids
from ccps.reasoning.generate import ReadTrace, TraceReader, TraceWriter
from ccps.reasoning.trace import Trace
from ccps.settings.faithful.traces import TraceSettings

IDS = ["a", "b", "c", "d"]
QUESTIONS = [[{"role": "user", "content": "Why? " * (n + 1)}] for n in range(len(IDS))]
SETTINGS = TraceSettings(max_new_tokens=12, seed=7, temperature=1.1, top_p=0.9, states=["pre_norm", "final"])


def prompts(lm: LanguageModel) -> list[list[int]]:
    return [prompt_ids(lm.tokenizer, messages) for messages in QUESTIONS]


def writer(lm: LanguageModel, settings: TraceSettings = SETTINGS, **more: Any) -> TraceWriter:
    return TraceWriter(lm, OwnWriter(lm), IDS, prompts(lm), settings, **more)


def drawn_and_read(traces: TraceWriter, batch: Sequence[int], follow_up: FollowUp | None = None) -> list[ReadTrace]:
    reader = TraceReader(traces.lm, traces.settings, follow_up)
    return reader.read(traces.draw(batch))


def all_traces(traces: TraceWriter) -> dict[str, Trace]:
    found = [trace for batch in traces.batches for trace in traces.draw(batch)]
    return {trace.id: trace for trace in found}
