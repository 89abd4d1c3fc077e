"""The features against the paper's per-token procedure, and against what this machine can do at best."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ccps.perturbation import FEATURE_NAMES, Head, reference_features, stability_features
from ccps.settings.perturbation import PerturbationConfig
from experiments.benchmarks.page import Figure, Section, Target
from experiments.benchmarks.timing import ratios, spread, take_turns

TARGET = Target("≥", 40)
FLOOR_TARGET = Target("≤", 2)
TARGET_VOCABULARY = 49_152
_WIDTH = 576
_WARM_UP_TOKENS = 4
_TILE_BYTES = {"cpu": 2**20, "cuda": 2**26}


class TokenStates(NamedTuple):
    """Answer tokens with the states that predicted them, and the head; all float32 on one device.

    Attributes:
        hidden: `[tokens, d]`.
        head: with `[vocab, d]`.
        token_ids: `[tokens]`.
        origin: in words.
    """

    hidden: Tensor
    head: Head
    token_ids: Tensor
    origin: str

    @property
    def shape(self) -> str:
        """Sizes, in words."""
        vocabulary, width = self.head.weight.shape
        return f"vocabulary {vocabulary:,}, width {width:,}"


class Difference(NamedTuple):
    """Where two tables of features differ most, relative to 1 + |value|."""

    largest: float
    column: str


def random_states(n_tokens: int, device: torch.device | str = "cpu", seed: int = 0) -> TokenStates:
    """Random states and a random head of SmolLM2's shape, for a machine without the model."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(TARGET_VOCABULARY, _WIDTH, generator=generator) / 8
    hidden = 2 * torch.randn(n_tokens, _WIDTH, generator=generator)
    hidden, weight = hidden.to(device), weight.to(device)
    return TokenStates(hidden, Head(weight), (hidden @ weight.T).argmax(1), "random states and head")


def largest_difference(features: Tensor, reference: Tensor) -> Difference:
    """Compare two `[tokens, 75]` tables; equal infinities do not differ."""
    features, reference = features.cpu(), reference.cpu()
    scaled = (features.double() - reference.double()).abs() / (1 + reference.double().abs())
    scaled = torch.where(features == reference, 0.0, scaled).nan_to_num(torch.inf)
    return Difference(scaled.max().item(), FEATURE_NAMES[int(scaled.amax(0).argmax())])


def measure_features(states: TokenStates, perturbation: PerturbationConfig, repetitions: int) -> Section:
    """Time both procedures and the floor on the same tokens, and compare what they give."""
    hidden, head, token_ids, origin = states
    weight = head.weight
    n_tokens = len(hidden)
    radius, steps = perturbation.radius, perturbation.steps
    floor = _floor(states, steps)

    def ours(n: int = n_tokens) -> Tensor:
        return stability_features(hidden[:n], head, token_ids[:n], radius, steps)

    def paper(n: int = n_tokens) -> Tensor:
        return reference_features(hidden[:n], head, token_ids[:n], radius, steps)

    floor()
    paper(_WARM_UP_TOKENS)
    ours()
    seconds, results = take_turns({"paper": paper, "ours": ours, "floor": floor}, repetitions, "features")
    difference = largest_difference(results["ours"], results["paper"])

    def rate(way: str) -> Figure:
        names = {"paper": "The paper's procedure", "ours": "Features", "floor": "Floor of this machine"}
        return Figure.of(names[way], states.shape, spread(n_tokens / s for s in seconds[way]), "tokens/s")

    on_target = weight.shape[0] == TARGET_VOCABULARY and weight.device.type == "cpu"
    return Section(
        "Features",
        f"{n_tokens} answer tokens ({origin}), float32, {steps} radii up to {radius:g}; all ways get the same tokens. "
        "The paper's procedure takes one token at a time: the gradient by autograd, every perturbed state through the "
        "head again, each quantity by the library function of its name (CCPS, arXiv 2505.21772; the forward passes of "
        "the language model are left out). The floor is the bare arithmetic that the closed form cannot do without: "
        "three matrix products of the same shapes, and one exponential and two logarithms per vocabulary entry and "
        f"radius. The largest difference is relative to 1 + |value| over all {len(FEATURE_NAMES)} features of all "
        f"tokens; it is in `{difference.column}`.",
        [
            rate("paper"),
            rate("ours"),
            Figure.of("Features, times the paper's throughput", states.shape, ratios(seconds["paper"], seconds["ours"]),
                      "×", TARGET if on_target else None),
            Figure("Largest difference between the two", states.shape, difference.largest, ""),
            rate("floor"),
            Figure.of("Time of the features over the floor", states.shape, ratios(seconds["ours"], seconds["floor"]),
                      "×", FLOOR_TARGET if on_target else None),
        ],
    )  # fmt: skip


def _floor(states: TokenStates, radii: int) -> Callable[[], None]:
    """The arithmetic that no arrangement of the closed form avoids; elementwise functions work within the cache."""
    hidden, weight = states.hidden, states.head.weight
    logits = hidden.new_empty(len(hidden), len(weight))
    rows = max(1, _TILE_BYTES[hidden.device.type] // (4 * len(weight)))
    values = torch.linspace(0.01, 1.0, rows * len(weight), device=hidden.device)
    out = torch.empty_like(values)
    tiles = len(hidden) * len(weight) / len(values)

    def compute() -> None:
        torch.mm(hidden, weight.T, out=logits)
        direction = torch.mm(logits, weight)
        torch.mm(direction, weight.T, out=logits)
        for _ in range(round(tiles * radii)):
            torch.exp(values, out=out)
            torch.log(values, out=out)
            torch.log(values, out=out)

    return compute
