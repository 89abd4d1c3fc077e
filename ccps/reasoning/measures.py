"""Numbers that are made of the states of a trace while a model reads it, so that the states need not be kept."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor

from ccps.llm.taking import StateName
from ccps.perturbation import Head
from ccps.plan.shape import ModelShape
from ccps.plan.work import Work
from ccps.reasoning.trace import Trace


class Measuring(Protocol):
    """Takes the states of one trace, and has numbers at the end."""

    def take(self, states: Tensor) -> None:
        """See `ccps.llm.taking.Taker`."""

    def numbers(self) -> Mapping[str, Tensor]:
        """What is stored of the trace, by name, once all its states have been taken; on the CPU."""


@dataclass(frozen=True)
class Measure(ABC):
    """What is made of the states of every trace; a frozen dataclass whose fields are all that determines it.

    The fields are part of the key of what is read: two measures with the same fields give the same numbers.
    """

    name: ClassVar[str]
    """Before the names of its numbers, in files and in `StoredTrace.numbers`."""
    version: ClassVar[int] = 1
    """Raised when it gives other numbers for the same states."""
    reads_head: ClassVar[bool] = False
    """Whether `begin` needs the model's head in float32, which takes memory of its own."""
    bytes_per_token: ClassVar[float] = 0.0
    """What is stored of a token, about, for `ccps plan`."""

    @property
    @abstractmethod
    def states(self) -> StateName:
        """Which states it takes."""

    @abstractmethod
    def begin(self, trace: Trace, head: Head) -> Measuring | None:
        """Begin with a trace that is about to be read, with ids; None if there is nothing to be had of it.

        Args:
            trace: without log-probabilities.
            head: the model's head, where the model is; in float32 if `reads_head`.
        """

    def work(self, shape: ModelShape, tokens: float) -> Work:
        """What it takes beside the pass of the model, where that is worth mention."""
        return Work()

    def inputs(self) -> Mapping[str, Any]:
        """What determines its numbers."""
        return {"version": self.version, **asdict(self)}
