"""The typed shape of `conf/bench.yaml`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ccps.core.fields import LARGEST_COUNT, setting
from ccps.core.settings import Fault, fault, faults_of, typed, unknown
from ccps.settings.benchmark import BenchmarkSpec
from ccps.settings.model import ModelConfig
from ccps.settings.perturbation import PerturbationConfig
from ccps.settings.run import place_faults

if TYPE_CHECKING:
    import torch

PARTS = (
    "features",
    "own_precision",
    "sizes",
    "scale",
    "processes",
    "sweep",
    "answers",
    "methods",
    "forward",
    "fork",
    "turns",
    "scoring",
    "scorer",
    "first_number",
    "fitting",
    "serving",
    "soak",
    "plan",
    "experiment",
)


@dataclass
class BenchConfig:
    """What is measured, and how often."""

    parts: list[str] = setting(list(PARTS), "what is measured; the other parts of the page stay as they are")
    model: dict[str, ModelConfig] = setting(
        {}, "language models by key; the features are timed on the head of the first", not_empty=True
    )
    sizes: dict[str, ModelConfig] = setting({}, "language models by key, from small to large, for the part `sizes`")
    gpu_sizes: dict[str, ModelConfig] = setting({}, "further ones, too large for anything but a GPU")
    test: dict[str, BenchmarkSpec] = setting({}, "the benchmark whose questions are asked; exactly one")
    open_ended: dict[str, BenchmarkSpec] = setting(
        {}, "the open-ended benchmark whose questions the first model answers at length; exactly one"
    )
    perturbation: PerturbationConfig = setting(PerturbationConfig)
    questions: int = setting(
        57,
        "how many are asked for the forward pass; twice as many, and 4 and 16 times that, for `scale`",
        at_least=1,
        at_most=1_000_000,
    )
    tokens: int = setting(228, "answer tokens for the features", at_least=1, at_most=LARGEST_COUNT)
    answers: int = setting(
        8,
        "answers of many tokens for extraction; the paper's procedure takes ten seconds for each",
        at_least=1,
        at_most=1_000_000,
    )
    repetitions: int = setting(5, "counted repetitions, after a warm-up", at_least=1, at_most=1_000_000)
    device: str = setting("auto", "`cpu`, `cuda`, or `auto`: a GPU if there is one", one_of=("auto", "cpu", "cuda"))
    threads: int = setting(2, "CPU threads of torch", at_least=1, at_most=4096)
    max_batch_tokens: int = setting(
        1024, "rows times width of a batch of the answer stage", at_least=1, at_most=LARGEST_COUNT
    )
    quick: bool = setting(False, "only the first model, and no more tokens than questions")
    soak_s: float = setting(300.0, "seconds for which the server is asked in the part `soak`", above=0, at_most=1e6)
    polygraph: str = setting(
        "", "the Python of an environment that has lm-polygraph 0.7, for the part `scorer`; empty to leave that out"
    )
    output: str = setting("docs", "folder of the page", not_empty=True)
    reproduced: str = setting("outputs/embedded", "output folder of an experiment whose costs are quoted")

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        for part in self.parts:
            if part not in PARTS:
                yield unknown("part", part, "parts", PARTS)
        for name in ("test", "open_ended"):
            if len(getattr(self, name)) != 1:
                yield fault(name, "exactly one benchmark", len(getattr(self, name)))

    def chosen_device(self) -> "torch.device":
        """Where everything is measured."""
        import torch

        wanted = self.device
        return torch.device(wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def to_bench(settings: Mapping[str, Any]) -> BenchConfig:
    """Check settings against the schema and build the typed configuration.

    Raises:
        UserError: naming every fault.
    """
    return typed(settings, BenchConfig, _device_faults)


def _device_faults(config: BenchConfig) -> Iterator[Fault]:
    import torch

    from ccps.llm.checkpoint_folder import check_there
    from ccps.pipeline.ranks import most_at_once

    yield from place_faults({"output": config.output})
    for name, model in [*config.model.items(), *config.sizes.items()]:
        yield from faults_of(f"model.{name}", partial(check_there, name, model))
    if config.threads > (most := most_at_once()):
        yield fault("threads", f"at most {most} on this machine", config.threads)
    if config.device == "cuda" and not torch.cuda.is_available():
        yield fault("device", "one that this machine has", "'cuda': it has no GPU that torch can use")
