"""Features of a head in bfloat16 as it is, beside the same head cast to float32."""

from collections.abc import Callable

import torch
from torch import Tensor

from ccps.llm import LanguageModel
from ccps.perturbation import stability_features
from ccps.perturbation.ways import chosen_way, instructions
from ccps.settings.perturbation import PerturbationConfig
from experiments.benchmarks.features import largest_difference
from experiments.benchmarks.page import Figure, Section, Target
from experiments.benchmarks.timing import ratios, spread, take_turns

TITLE = "Features in the head's precision"
TARGETS = {"smollm2_135m": Target("≥", 2), "qwen25_coder_1b5": Target("≥", 3)}
_RATIO = "Features of the bfloat16 head, times the speed in float32"

TEXT = (
    "The same answer tokens of MMLU in both ways, states and head in bfloat16 as the model has them. Float32: both are "
    "cast before the clock starts, and all is computed in float32. Of the bfloat16 head: in the way that "
    "`ccps/perturbation/ways.py` names for this device. The largest difference is relative to 1 + |value|, over all "
    "columns and tokens; how exact either is stands in [numerics](numerics.md)."
)


def measure_own_precision(
    lm: LanguageModel, states: Tensor, perturbation: PerturbationConfig, repetitions: int
) -> list[Figure]:
    """Time both ways in turns, on the model's own states `[tokens, d]` of its greedy answer tokens."""
    name, head = lm.files.name, lm.head.to(lm.device)
    way = chosen_way(str(head.weight.dtype).removeprefix("torch."), lm.device)
    if way == "float32":
        has = instructions(lm.device)
        dtype = str(head.weight.dtype).removeprefix("torch.")
        reason = f"a head in {dtype} on {lm.device.type} (bfloat16 by: {has}) is computed in float32."
        return missing(name, reason)
    token_ids = lm.own_logits(states).argmax(1)
    cast, wide = head.to(lm.device, torch.float32), states.float()
    radius, steps = perturbation.radius, perturbation.steps
    ways: dict[str, Callable[[], Tensor]] = {
        "float32": lambda: stability_features(wide, cast, token_ids, radius, steps),
        way: lambda: stability_features(states, head, token_ids, radius, steps),
    }
    for compute in ways.values():
        compute()
    seconds, results = take_turns(ways, repetitions, f"own precision, {name}")
    difference = largest_difference(results[way], results["float32"])
    vocabulary, width = head.weight.shape
    subject = f"{name}, {len(states)} tokens, vocabulary {vocabulary:,}, width {width:,}"

    def each(which: str) -> Figure:
        return Figure.of(
            f"Features, {which}", subject, spread(1000 * s / len(states) for s in seconds[which]), "ms/token"
        )

    return [
        each("float32"),
        each(way),
        Figure.of(_RATIO, name, ratios(seconds["float32"], seconds[way]), "×", TARGETS.get(name)),
        Figure(f"Largest difference, in `{difference.column}`", name, difference.largest, ""),
    ]


def own_precision_section(figures: list[Figure]) -> Section:
    """The section of the page."""
    return Section(TITLE, TEXT, figures)


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in place of a model's figures if they cannot be had."""
    return [Figure.missing(_RATIO, name, reason, TARGETS.get(name))]
