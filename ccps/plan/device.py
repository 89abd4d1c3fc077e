"""How long work takes on a device: a roofline, with the share of it that was measured or is predicted.

Work that multiplies is bound by the peak of large products, work that moves by the bandwidth of memory, whichever takes
longer (Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785). No program reaches that. What share ours do is
measured on SmolLM2, kind by kind (`make bench`); where it was not, one of `PREDICTED` stands in its place, and what was
computed with it is called predicted. A pass that writes a token of so many rows that their products bound it is to the
device one that reads as many tokens, and reaches that share.
"""

from dataclasses import dataclass
from types import MappingProxyType

from ccps.plan.work import Part, Work
from ccps.settings.plan import DeviceConfig

PREDICTED = MappingProxyType({"read": 0.5, "write": 0.5, "head": 0.7, "vocabulary": 0.4, "sweep": 0.4})
"""Shares of the peak where none was measured: guesses, to a tenth, of what eager PyTorch reaches."""


@dataclass(frozen=True)
class Device:
    """A processor.

    Attributes:
        name: its file in `conf/device`.
        config: what stands there.
    """

    name: str
    config: DeviceConfig

    def share(self, kind: str) -> float:
        """Share of the peak that a kind of work reaches."""
        return self.config.efficiency.get(kind, PREDICTED[kind])

    def is_measured(self, work: Work) -> bool:
        """Whether the shares of all its parts were measured here."""
        return all(self._kind(part) in self.config.efficiency for part in work.parts)

    def seconds(self, work: Work) -> float:
        """How long some work takes on it."""
        return max(sum(map(self._part, work.parts)), self.config.per_layer * work.layer_calls)

    def _part(self, part: Part) -> float:
        return max(self._multiplied(part), self._moved(part)) / self.share(self._kind(part))

    def _kind(self, part: Part) -> str:
        reads = part.kind == "write" and self._multiplied(part) > self._moved(part)
        return "read" if reads else part.kind

    def _multiplied(self, part: Part) -> float:
        return part.flop / self.config.peak[part.dtype]

    def _moved(self, part: Part) -> float:
        return part.moved / self.config.bandwidth
