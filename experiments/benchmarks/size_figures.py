"""What is said of a language model of some size: figures and targets, from measured seconds and bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from experiments.benchmarks.floors import feature_bytes, feature_operations
from experiments.benchmarks.open_ended import ANSWER_TOKENS, added
from experiments.benchmarks.page import Figure, Target
from experiments.benchmarks.timing import Seconds, ratios, spread

SHORT, LONG = "one-token answers", f"{ANSWER_TOKENS}-token answers"
_OVER_FLOOR = "Features over the larger floor"
_ABOVE, _ALTOGETHER = "Peak memory above the model", "Peak memory, the model with it"


class Targets(NamedTuple):
    """What the figures of a model should reach on a device; None where nothing is asked."""

    short: Target | None = None
    long: Target | None = None
    share: Target | None = None
    floor: Target | None = None
    card: Target | None = None


CPU_TARGETS = Targets(Target("≤", 5), Target("≤", 25))
GPU_TARGETS = Targets(Target("≤", 5), Target("≤", 10), Target("≥", 55), Target("≤", 2.5), Target("≤", 141))


def targets_of(device: str, parameters: int) -> Targets:
    """Targets of a model of so many parameters: on the CPU from one billion on, on a GPU from seven."""
    least, targets = (7e9, GPU_TARGETS) if device == "cuda" else (1e9, CPU_TARGETS)
    return targets if parameters >= least else Targets()


@dataclass(frozen=True)
class Measured:
    """What was measured of one model.

    Attributes:
        name: of the model.
        device: its type, `cpu` or `cuda`.
        parameters: of the whole model.
        vocabulary: rows of the head.
        width: columns of the head.
        answers: in a batch, of either kind.
        forward_operations: of the bare forward pass, by the kind of answers.
        amounts: operations or bytes of `products`, `own products` and `copies`.
        seconds: of each repetition, by what was done.
        held: bytes held before; None where the system does not tell.
        most: bytes held at the peak.
    """

    name: str
    device: str
    parameters: int
    vocabulary: int
    width: int
    answers: int
    forward_operations: Mapping[str, float]
    amounts: Mapping[str, float]
    seconds: Seconds
    held: int | None
    most: int | None

    @property
    def tokens(self) -> dict[str, int]:
        """Answer tokens of a batch."""
        return {SHORT: self.answers, LONG: self.answers * ANSWER_TOKENS}

    @cached_property
    def floors(self) -> tuple[list[float], list[float]]:
        """Least seconds of the features of the long answers, by products and by bytes, in each repetition."""
        shape = self.tokens[LONG], self.vocabulary, self.width
        operations = feature_operations(*shape) / self.amounts["products"]
        moved = feature_bytes(*shape) / self.amounts["copies"]
        return [operations * s for s in self.seconds["products"]], [moved * s for s in self.seconds["copies"]]


def size_figures(measured: Measured) -> list[Figure]:
    """All figures of one model."""
    targets = targets_of(measured.device, measured.parameters)
    return [
        *_time_figures(measured, targets),
        *_peak_figures(measured, targets),
        *_floor_figures(measured, targets),
        *_memory_figures(measured, targets),
    ]


def missing(name: str, reason: str, targets: Targets) -> list[Figure]:
    """What stands in the place of a model's figures if they cannot be measured."""
    titles = (_adds(SHORT), _adds(LONG), _share(SHORT), _OVER_FLOOR, _ALTOGETHER)
    if not any(targets):
        return [Figure.missing("Bare forward", name, reason)]
    wanted = [(title, target) for title, target in zip(titles, targets, strict=True) if target]
    return [Figure.missing(title, name, reason, target) for title, target in wanted]


def _time_figures(measured: Measured, targets: Targets) -> list[Figure]:
    name, seconds = measured.name, measured.seconds

    def rate(what: str, way: str) -> Figure:
        return Figure.of(what, name, spread(1000 * s / measured.answers for s in seconds[way]), "ms/answer")

    return [
        rate(f"Bare forward, {SHORT}", f"bare {SHORT}"),
        rate(f"Forward + extraction, {SHORT}", SHORT),
        Figure.of(_adds(SHORT), name, added(seconds[f"bare {SHORT}"], seconds[SHORT]), "%", targets.short),
        rate("The paper's procedure, one-token answers", "paper"),
        Figure.of("Forward + extraction, times the paper's speed", name, ratios(seconds["paper"], seconds[SHORT]), "×"),
        rate(f"Bare forward, {LONG}", f"bare {LONG}"),
        rate(f"Forward + extraction, {LONG}", LONG),
        Figure.of(_adds(LONG), name, added(seconds[f"bare {LONG}"], seconds[LONG]), "%", targets.long),
    ]


def _peak_figures(measured: Measured, targets: Targets) -> list[Figure]:
    amounts, seconds = measured.amounts, measured.seconds

    def share(kind: str) -> Figure:
        operations = measured.forward_operations[kind]
        operations += feature_operations(measured.tokens[kind], measured.vocabulary, measured.width)
        achieved = ratios(seconds["own products"], seconds[kind], 100 * operations / amounts["own products"])
        return Figure.of(_share(kind), measured.name, achieved, "%", targets.share)

    def peak(what: str, way: str, scale: float, unit: str) -> Figure:
        return Figure.of(what, measured.name, spread(amounts[way] / s / scale for s in seconds[way]), unit)

    return [
        peak("Peak of matrix products in the model's type", "own products", 1e12, "Tflop/s"),
        share(SHORT),
        share(LONG),
        peak("Peak of matrix products in float32", "products", 1e12, "Tflop/s"),
        peak("Bandwidth of memory", "copies", 1e9, "GB/s"),
    ]


def _floor_figures(measured: Measured, targets: Targets) -> list[Figure]:
    name, seconds = measured.name, measured.seconds
    by_products, by_bytes = measured.floors

    def per_token(what: str, values: Sequence[float]) -> Figure:
        return Figure.of(what, name, spread(1000 * s / measured.tokens[LONG] for s in values), "ms/token")

    return [
        per_token("Features alone", seconds["features"]),
        per_token("Floor of the features, matrix products", by_products),
        per_token("Floor of the features, bytes", by_bytes),
        Figure.of(_OVER_FLOOR, name, ratios(seconds["features"], list(map(max, by_products, by_bytes))), "×",
                  targets.floor),
        Figure.of("Sweep of 20 radii over one extraction", name, ratios(seconds["sweep"], seconds["features"]), "×"),
    ]  # fmt: skip


def _memory_figures(measured: Measured, targets: Targets) -> list[Figure]:
    """What is held beyond the model, and on a GPU altogether."""
    name, held, most = measured.name, measured.held, measured.most
    if held is None or most is None:
        return [Figure.missing(_ABOVE, name, "this system does not let a process forget its peak.")]
    above = Figure(_ABOVE, name, (most - held) / 2**20, "MiB")
    altogether = Figure(_ALTOGETHER, name, most / 1e9, "GB", target=targets.card)
    return [above, altogether] if measured.device == "cuda" else [above]


def _adds(kind: str) -> str:
    return f"Extraction adds, {kind}"


def _share(kind: str) -> str:
    return f"Share of the peak, forward + extraction, {kind}"
