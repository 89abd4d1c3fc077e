"""The metrics that every confidence method is judged by, each registered where it is defined.

What registers a metric later, from outside the package too, adds a column to results and reports: all of them go
through `METRICS`, or those of them that methods are compared by, `CONTEST`, in their order.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ccps.core.registry import LAST, Registry
from ccps.metrics.conventions import Convention
from ccps.metrics.inputs import FloatArray

Scale = Literal["relative", "points"]
Measure = Callable[[FloatArray, FloatArray, FloatArray, Convention], FloatArray]
"""From P(correct) `[n]`, ascending, labels `[n]`, weights `[resamples, n]` (how often each row counts, whole numbers)
and the convention of the ECE to the metric in each resample, `[resamples]`, a fraction, NaN where undefined."""


@dataclass(frozen=True)
class Metric:
    """How a metric is measured, named and read."""

    name: str
    """As tables of results name it."""
    label: str
    """As readers see it."""
    lower_is_better: bool
    scale: Scale
    """How far one method is ahead of another: `relative` ((a − b) / b), or in `points` (a − b)."""
    gloss: str
    """One or two sentences for the glossary."""
    measure: Measure = field(repr=False)
    place: int = LAST
    """Where it stands in tables."""
    ranks: bool = False
    """Whether only the order of confidences counts, so that a constant has no value."""
    constant_wins: bool = False
    """Whether a constant at the base rate has the best value of all, so that it says nothing of a method by itself."""
    by_convention: bool = True
    """Whether the convention makes a difference to it; if not, it is measured once for all of them."""
    in_contest: bool = True
    """Whether methods are compared by it: in main tables, verdicts, headlines and claims. Others are only told."""

    @property
    def heading(self) -> str:
        """The label with an arrow in the direction that is better."""
        return f"{self.label} {'↓' if self.lower_is_better else '↑'}"


METRICS = Registry[Metric]("metric", "ccps.metrics", place=lambda metric: metric.place)
"""Every metric by its name, in the order in which tables show them."""


class _Contest(Mapping[str, Metric]):
    def __getitem__(self, name: str) -> Metric:
        if not METRICS[name].in_contest:
            raise KeyError(name)
        return METRICS[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, metric in METRICS.items() if metric.in_contest)

    def __len__(self) -> int:
        return sum(metric.in_contest for metric in METRICS.values())


CONTEST: Mapping[str, Metric] = _Contest()
"""Those of `METRICS` that methods are compared by, in the same order; what is registered later is among them."""


def register(metric: Metric) -> Metric:
    """Add a metric to those that methods are judged by.

    Raises:
        ValueError: there is one of that name.
    """
    return METRICS.register(metric.name, metric)
