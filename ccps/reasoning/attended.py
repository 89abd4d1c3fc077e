"""Which tokens the step before attends to, found while a trace is read: what RCC needs of states, and nothing more.

Both ways of cutting a trace into steps are read at once, so that the unit may be changed without reading again; and
all pairs from a low threshold on, so that μ and δ may. Which states are compared, and how, is part of what is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, get_args

import torch
from torch import Tensor

from ccps.core.errors import expected
from ccps.faithful import Attending, Attention, Mode
from ccps.faithful.attention import Similarity
from ccps.faithful.segment import Unit
from ccps.llm.taking import StateName
from ccps.metrics.inputs import IntArray
from ccps.perturbation import Head
from ccps.reasoning.measures import Measure
from ccps.reasoning.trace import Segmentation, Trace

UNITS: tuple[Unit, ...] = get_args(Unit)


@dataclass(frozen=True)
class AttentionMeasure(Measure):
    """See `ccps.faithful.attention`.

    Attributes:
        hidden: which states are compared.
        similarity: how.
        least: attention from which on a pair of tokens is kept.
        mode: of the segmentation.
    """

    name: ClassVar[str] = "attention"
    bytes_per_token: ClassVar[float] = 30.0

    hidden: StateName
    similarity: Similarity
    least: float
    mode: Mode

    @property
    def states(self) -> StateName:
        """Those that are compared."""
        return self.hidden

    def begin(self, trace: Trace, head: Head) -> "_Both | None":
        """See `Measure.begin`; None where it is not known which tokens make up the steps."""
        cut = [Segmentation(unit, self.mode) for unit in UNITS]
        tokens = {own.unit: own.tokens(trace, own.steps(trace)) for own in cut}
        known = {unit: steps for unit, steps in tokens.items() if steps is not None}
        how = (len(trace.prompt_ids), self.similarity, self.least)
        return _Both({unit: _Unit(steps, *how) for unit, steps in known.items()}) if known else None

    def stored(
        self, numbers: Mapping[str, Tensor], unit: Unit, tokens: Sequence[IntArray], n_tokens: int
    ) -> Attention | None:
        """What was found of a trace whose steps are these.

        Args:
            numbers: of the trace, see `StoredTrace`.
            unit: how it is cut.
            tokens: of each step.
            n_tokens: generated tokens of the trace.

        Returns:
            None if the trace was not read.

        Raises:
            UserError: it was cut into other steps when it was read.
        """
        found = {name: numbers.get(f"{self.name}.{unit}.{name}") for name in ("pairs", "weights", "steps")}
        pairs, weights, steps = found.values()
        if pairs is None or weights is None or steps is None:
            return None
        if not torch.equal(steps, _bounds(tokens)):
            raise expected(
                "the steps of a trace",
                f"those that it was read with, {len(steps)}",
                f"{len(tokens)}, some of other tokens",
                "Another version has cut it: remove the artifact `read`, to have the traces read anew.",
            )
        return Attention(pairs, weights, n_tokens, self.least)


class _Unit:
    """One way of cutting a trace."""

    def __init__(self, tokens: Sequence[IntArray], prompt_length: int, similarity: Similarity, least: float) -> None:
        self.attending = Attending(tokens, prompt_length, similarity=similarity, least=least)
        self.bounds = _bounds(tokens)

    def numbers(self) -> dict[str, Tensor]:
        found = self.attending.found()
        return {"pairs": found.pairs, "weights": found.weights, "steps": self.bounds}


class _Both(NamedTuple):
    """All ways of cutting it."""

    units: Mapping[Unit, _Unit]

    def take(self, states: Tensor) -> None:
        for own in self.units.values():
            own.attending.take(states)

    def numbers(self) -> dict[str, Tensor]:
        return {f"{unit}.{name}": tensor for unit, own in self.units.items() for name, tensor in own.numbers().items()}


def _bounds(tokens: Sequence[IntArray]) -> Tensor:
    """The first token of each step and the one after its last, `[steps, 2]` int32; 0 and 0 of a step without any."""
    ends = [(int(own[0]), int(own[-1]) + 1) if len(own) else (0, 0) for own in tokens]
    return torch.tensor(ends, dtype=torch.int32).reshape(-1, 2)
