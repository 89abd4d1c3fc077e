"""The record of one reasoning trace, and how it is cut into steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from ccps.faithful import Mode, PlacedSteps, Step, place_steps, segment, step_token_indices
from ccps.faithful.segment import Unit
from ccps.metrics.inputs import FloatArray, IntArray


class GivenStep(NamedTuple):
    """A step as it came with its trace, with what was said in its place and how it was scored elsewhere."""

    text: str
    alternatives: tuple[str, ...] = ()
    """What the model said when it was let go on from just before this step, a text for each time."""
    scores: Mapping[str, float] = MappingProxyType({})
    """Scores in [0, 1] by name; one that is missing is not among them."""


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
    steps: tuple[GivenStep, ...] = ()
    """Its steps, where it was cut already; none if it is still to be cut."""
    model: str = ""
    """What wrote it, if the file says so."""


class Segmentation(NamedTuple):
    """How traces are cut into steps, and which of their tokens those are."""

    unit: Unit
    mode: Mode

    def steps(self, trace: Trace) -> list[Step]:
        """The steps of a trace: those it brings with it, or else what `segment` cuts."""
        if trace.steps:
            return self.placed(trace).steps
        return segment(trace.text, unit=self.unit, mode=self.mode)

    def placed(self, trace: Trace) -> PlacedSteps:
        """The steps of a trace that brings its own, and which of those make up each."""
        return place_steps(trace.text, [one.text for one in trace.steps], unit=self.unit, mode=self.mode)

    def tokens(self, trace: Trace, steps: Sequence[Step]) -> list[IntArray] | None:
        """The generated tokens of each step; None if the trace has no ids, or ids that do not fit its text."""
        if trace.offsets is None or trace.misaligned:
            return None
        return step_token_indices(steps, trace.offsets)
