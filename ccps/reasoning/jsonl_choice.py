"""Which traces of a file are wanted, and what of their steps."""

from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any, NamedTuple

from ccps.reasoning import jsonl_fields as fields
from ccps.reasoning.trace import GivenStep, Trace


class Choice(NamedTuple):
    """Which traces of a file are read, and what of their steps.

    Attributes:
        model: of which model; None for all.
        only: patterns of which one must fit their ids; none takes all.
        scores: names of the scores of steps; None for every number.
        alternatives: whether what was said instead is read.
        k: so many of it for each step; None for all.
    """

    model: str | None = None
    only: tuple[str, ...] = ()
    scores: tuple[str, ...] | None = None
    alternatives: bool = True
    k: int | None = None

    def takes(self, trace: Trace) -> bool:
        """Whether a trace is among them."""
        if self.model is not None and trace.model != self.model:
            return False
        return not self.only or any(fnmatch(trace.id, pattern) for pattern in self.only)

    def steps(self, row: Mapping[str, Any]) -> tuple[GivenStep, ...]:
        """The steps of a row."""
        given = fields.steps(dict(row), self.scores)
        kept = self.k if self.alternatives else 0
        return tuple(one._replace(alternatives=one.alternatives[:kept]) for one in given)


ALL = Choice()
