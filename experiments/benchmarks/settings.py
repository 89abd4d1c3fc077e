"""The typed shape of `conf/bench.yaml`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ccps.data.benchmarks import BenchmarkSpec
from ccps.llm import ModelConfig
from ccps.stages.config import PerturbationConfig
from ccps.stages.schema import nearest, typed

PARTS = ("features", "sweep", "answers", "methods", "models", "experiment")


@dataclass
class BenchConfig:
    """What is measured, and how often.

    Attributes:
        parts: what is measured, of those in `PARTS`; the other parts of the page stay as they are.
        model: language models by key; the features are timed on the head of the first.
        test: the benchmark whose questions are asked; exactly one.
        open_ended: the open-ended benchmark whose questions the first model answers at length; exactly one.
        perturbation: how far and how finely states are pushed.
        questions: how many are asked for the forward pass.
        tokens: answer tokens for the features.
        answers: answers of many tokens for extraction; the paper's procedure takes ten seconds for each.
        repetitions: counted repetitions, after a warm-up.
        threads: CPU threads of torch.
        max_batch_tokens: rows times width of a batch of the answer stage.
        quick: only the first model, and no more tokens than questions.
        output: folder of the page.
        reproduced: output folder of an experiment whose costs are quoted.
    """

    parts: list[str] = field(default_factory=lambda: list(PARTS))
    model: dict[str, ModelConfig] = field(default_factory=dict)
    test: dict[str, BenchmarkSpec] = field(default_factory=dict)
    open_ended: dict[str, BenchmarkSpec] = field(default_factory=dict)
    perturbation: PerturbationConfig = field(default_factory=PerturbationConfig)
    questions: int = 57
    tokens: int = 228
    answers: int = 8
    repetitions: int = 5
    threads: int = 2
    max_batch_tokens: int = 1024
    quick: bool = False
    output: str = "docs"
    reproduced: str = "outputs/embedded"


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
    if not settings.get("model"):
        yield "expected `model` to hold at least one entry, but it is empty"
    for name in ("test", "open_ended"):
        if len(settings.get(name, {})) != 1:
            yield f"expected `{name}` to hold exactly one benchmark, but got {len(settings.get(name, {}))}"
