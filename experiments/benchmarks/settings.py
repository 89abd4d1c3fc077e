"""The typed shape of `conf/bench.yaml`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ccps.core.settings import nearest, typed
from ccps.data.benchmarks import BenchmarkSpec
from ccps.llm import ModelConfig
from ccps.stages.main.config import PerturbationConfig

PARTS = (
    "features",
    "sizes",
    "scale",
    "processes",
    "sweep",
    "answers",
    "methods",
    "forward",
    "fork",
    "scoring",
    "experiment",
)
DEVICES = ("auto", "cpu", "cuda")


@dataclass
class BenchConfig:
    """What is measured, and how often.

    Attributes:
        parts: what is measured, of those in `PARTS`; the other parts of the page stay as they are.
        model: language models by key; the features are timed on the head of the first.
        sizes: language models by key, from small to large, for the part `sizes`.
        gpu_sizes: further ones, too large for anything but a GPU.
        test: the benchmark whose questions are asked; exactly one.
        open_ended: the open-ended benchmark whose questions the first model answers at length; exactly one.
        perturbation: how far and how finely states are pushed.
        questions: how many are asked for the forward pass; twice as many, and 4 and 16 times that, for `scale`.
        tokens: answer tokens for the features.
        answers: answers of many tokens for extraction; the paper's procedure takes ten seconds for each.
        repetitions: counted repetitions, after a warm-up.
        device: `cpu`, `cuda`, or `auto`: a GPU if there is one.
        threads: CPU threads of torch.
        max_batch_tokens: rows times width of a batch of the answer stage.
        quick: only the first model, and no more tokens than questions.
        output: folder of the page.
        reproduced: output folder of an experiment whose costs are quoted.
    """

    parts: list[str] = field(default_factory=lambda: list(PARTS))
    model: dict[str, ModelConfig] = field(default_factory=dict)
    sizes: dict[str, ModelConfig] = field(default_factory=dict)
    gpu_sizes: dict[str, ModelConfig] = field(default_factory=dict)
    test: dict[str, BenchmarkSpec] = field(default_factory=dict)
    open_ended: dict[str, BenchmarkSpec] = field(default_factory=dict)
    perturbation: PerturbationConfig = field(default_factory=PerturbationConfig)
    questions: int = 57
    tokens: int = 228
    answers: int = 8
    repetitions: int = 5
    device: str = "auto"
    threads: int = 2
    max_batch_tokens: int = 1024
    quick: bool = False
    output: str = "docs"
    reproduced: str = "outputs/embedded"

    def chosen_device(self) -> torch.device:
        """Where everything is measured."""
        wanted = self.device
        return torch.device(wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def to_bench(settings: Mapping[str, Any]) -> BenchConfig:
    """Check settings against the schema and build the typed configuration.

    Raises:
        UserError: naming every fault.
    """
    return typed(settings, BenchConfig, _value_faults)


def _value_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    names = ("questions", "tokens", "answers", "repetitions", "threads", "max_batch_tokens")
    counts = {name: settings.get(name) for name in names}
    counts |= {f"perturbation.{name}": value for name, value in settings.get("perturbation", {}).items()}
    for name, value in counts.items():
        if value is not None and not value > 0:
            yield f"expected `{name}` to be above 0, but got {value!r}"
    for part in settings.get("parts", ()):
        if part not in PARTS:
            yield f"unknown part `{part}` in `parts`: {nearest(part, PARTS)}"
    device = settings.get("device", "auto")
    if device not in DEVICES:
        yield f"expected `device` to be one of {', '.join(DEVICES)}, but got {device!r}"
    elif device == "cuda" and not torch.cuda.is_available():
        yield "expected `device` to be one that this machine has, but got 'cuda': it has no GPU that torch can use"
    if not settings.get("model"):
        yield "expected `model` to hold at least one entry, but it is empty"
    for name in ("test", "open_ended"):
        if len(settings.get(name, {})) != 1:
            yield f"expected `{name}` to hold exactly one benchmark, but got {len(settings.get(name, {}))}"
