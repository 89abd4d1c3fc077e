"""The record of one reasoning trace, and how it is cut into steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ccps.faithful import Mode, Step, segment, step_token_indices
from ccps.faithful.segment import Unit
from ccps.metrics.inputs import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Trace:
    """What a model wrote after a question, with what is known of each of its tokens.

    States are not part of it: they are large. See `ccps.llm.reading`.
    """

    id: str
    """Unique in its file: the question's id, with "#k" behind it for its k-th trace from the second on."""
    question_id: str
    """Empty if unknown."""
    text: str
    """What the model generated, think tags included, without the prompt."""
    ended: bool | None = None
    """False if it was cut off at the limit of tokens; None if unknown."""
    prompt_ids: Sequence[int] = ()
    """Token ids of the prompt; empty if unknown."""
    token_ids: Sequence[int] | None = None
    """Generated token ids, without the one that ends the turn."""
    offsets: IntArray | None = None
    """First character in `text` and the one after the last of every generated token, `[tokens, 2]`."""
    top_log_probs: FloatArray | None = None
    """Natural logarithms of the likeliest tokens' probabilities at every position, under the model as it is, neither
    tempered nor cut to a nucleus: `[tokens, k]`, best first, NaN where missing."""
    log_probs: FloatArray | None = None
    """Those of the tokens that were drawn, `[tokens]`."""
    misaligned: str = ""
    """Why ids and text do not fit, see `ccps.faithful.misalignment`; empty if they do or there are no ids."""
    question: str = ""
    """For display."""
    gold: tuple[str, ...] = ()
    """Right answers."""
    prompt: str = ""
    """The prompt as text, for display; empty if unknown."""
    correct: bool | None = None
    """Whether the answer was found right where the trace was made; None if unknown."""


class Segmentation(NamedTuple):
    """How traces are cut into steps, and which of their tokens those are."""

    unit: Unit
    mode: Mode

    def steps(self, trace: Trace) -> list[Step]:
        """The steps of a trace."""
        return segment(trace.text, unit=self.unit, mode=self.mode)

    def tokens(self, trace: Trace, steps: Sequence[Step]) -> list[IntArray] | None:
        """The generated tokens of each step; None if the trace has no ids, or ids that do not fit its text."""
        if trace.offsets is None or trace.misaligned:
            return None
        return step_token_indices(steps, trace.offsets)
