"""What a plan assumes and how it is told (`conf/plan.yaml`), and what a device does at best (`conf/device/*.yaml`)."""

from collections.abc import Iterator
from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, LARGEST_FLOAT, MISSING, setting
from ccps.core.settings import Fault, fault, unknown
from ccps.settings.model import ModelConfig

KINDS = ("read", "write", "head", "vocabulary", "sweep")
"""What a model or its head is busy with: passes over texts, passes that write a token, the products of the features
with the head in float32, what is then done with every entry of the vocabulary, and that for all radii of a sweep."""
COLUMNS = ("model", "benchmark", "stage")


@dataclass
class DeviceConfig:
    """What a processor does at best, and what share of that each kind of work reaches."""

    label: str = setting(MISSING, "what it is called", not_empty=True)
    kind: str = setting("cuda", "`cpu`, or `cuda` for a GPU", one_of=("cpu", "cuda"))
    matches: list[str] = setting([], "parts of the name that the system has for it, each of which must be there")
    peak: dict[str, float] = setting(
        {},
        "operations a second of large matrix products, by type of number: bfloat16, float16, float32",
        above=0,
        at_most=LARGEST_FLOAT,
    )
    bandwidth: float = setting(MISSING, "bytes a second to and from its memory", above=0, at_most=LARGEST_FLOAT)
    memory: float = setting(MISSING, "bytes that it has", above=0, at_most=LARGEST_FLOAT)
    per_layer: float = setting(
        0.0, "seconds that the calls of one layer take at least, however little is in them", at_least=0, at_most=1
    )
    efficiency: dict[str, float] = setting(
        {},
        f"share of the peak that was measured, by kind of work: {', '.join(KINDS)}; others are predicted",
        above=0,
        at_most=1,
    )
    source: str = setting(MISSING, "where these figures are from", not_empty=True)

    def cross_faults(self) -> Iterator[Fault]:
        """Peaks that are missing, and kinds of work that there are none of."""
        for name in ("bfloat16", "float16", "float32"):
            if name not in self.peak:
                yield fault(f"peak.{name}", "a number above 0", None)
        for kind in self.efficiency:
            if kind not in KINDS:
                yield unknown("kind of work", kind, "efficiency", KINDS)


@dataclass
class AssumedQuestions:
    """What is taken for the questions of a benchmark that cannot be had."""

    n: int = setting(10_000, "how many there are", at_least=1, at_most=LARGEST_COUNT)
    tokens: int = setting(120, "tokens of each, its options among them", at_least=1, at_most=1_000_000)


@dataclass
class PlanConfig:
    """How a plan is made and told."""

    device: str | None = setting(None, "a file of `conf/device`; null for what this machine has", not_empty=True)
    price_per_hour: float | None = setting(
        None, "of one node, all its devices together, in your currency; null to leave money out", above=0, at_most=1e6
    )
    times: int = setting(1, "plan for so many times as many questions", at_least=1, at_most=LARGEST_COUNT)
    by: list[str] = setting(
        list(COLUMNS), "what has a line of its own: each `model`, `benchmark`, `stage`", different=True, not_empty=True
    )
    compare: bool = setting(
        False, "hold the hours of what is found against those it took; without that what is found takes none"
    )
    questions: dict[str, AssumedQuestions] = setting(
        {}, "of benchmarks that cannot be had, by name; `others` for those that are not named"
    )
    answer_share: float = setting(
        0.55, "of the tokens that an open-ended answer may have, how many it has on average", above=0, at_most=1
    )
    trace_tokens: int | None = setting(
        None,
        "of a reasoning trace on average; null for half of the limit, and at most 5,000",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    step_tokens: int = setting(50, "of a step of a trace on average", at_least=1, at_most=LARGEST_COUNT)
    shapes: dict[str, ModelConfig] = setting(
        {}, "models with random weights that have the sizes of those they are named after, where these cannot be had"
    )

    def cross_faults(self) -> Iterator[Fault]:
        """Columns that there are none of."""
        for name in self.by:
            if name not in COLUMNS:
                yield unknown("column", name, "by", COLUMNS)
