"""A single trace, read as a batch of one."""

from collections.abc import Sequence
from typing import Any

from ccps.llm import LanguageModel
from ccps.llm.reading import Text, TraceReading, read_batch


def read_trace(lm: LanguageModel, prompt: Sequence[int], tokens: Sequence[int], **how: Any) -> TraceReading:
    """Its reading, with the context if that is kept; `how` as in `read_batch`."""
    found = read_batch(lm, [Text(prompt, tokens)], **how)
    return found.traces[0]._replace(context=found.context)
