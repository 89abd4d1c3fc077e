"""A single trace, read as a batch of one."""

from collections.abc import Sequence
from typing import Any

from ccps.llm import Context, LanguageModel
from ccps.llm.reading import Text, TraceReading, read_batch


def read_trace(lm: LanguageModel, prompt: Sequence[int], tokens: Sequence[int], **how: Any) -> TraceReading:
    """What is read off it; `how` as in `read_batch`."""
    return read_batch(lm, [Text(prompt, tokens)], **how).traces[0]


def read_context(lm: LanguageModel, prompt: Sequence[int], tokens: Sequence[int], **how: Any) -> Context | None:
    """What is kept of it to read on from, which may be nothing; `how` as in `read_batch`."""
    return read_batch(lm, [Text(prompt, tokens)], **how).context
