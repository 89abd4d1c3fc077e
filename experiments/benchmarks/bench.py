"""What all parts share: their settings, the device, models and questions, and a word where one cannot be had."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from ccps.core.console import say
from ccps.core.errors import UserError
from ccps.data.benchmarks import BenchmarkSpec, load_questions
from ccps.data.records import Question
from ccps.llm import LanguageModel
from experiments.benchmarks import forward
from experiments.benchmarks.features import TokenStates
from experiments.benchmarks.model import answer_states, open_model
from experiments.benchmarks.page import ON_GPU, Section
from experiments.benchmarks.settings import BenchConfig

T = TypeVar("T")

QUICK = "left out by `quick=true`."


def attempt(
    part: str, name: str, work: Callable[[], T], otherwise: Callable[[str], T], state: str = "not measured"
) -> T:
    """Do something on a model, or say why that cannot be done and take what stands in its place."""
    try:
        return work()
    except UserError as error:
        reason = str(error)
    except torch.OutOfMemoryError:
        reason = "it does not fit the memory of this GPU."
    say(part, name, reason, state=state)
    return otherwise(reason)


@dataclass(frozen=True)
class Bench:
    """What is measured on one device.

    Attributes:
        config: what is measured.
        device: where.
    """

    config: BenchConfig
    device: torch.device

    @property
    def on_gpu(self) -> bool:
        """Whether the device is one."""
        return self.device.type == "cuda"

    @property
    def first(self) -> str:
        """The first model."""
        return next(iter(self.config.model))

    @property
    def names(self) -> list[str]:
        """All models; the first alone where it has to be quick."""
        return [self.first] if self.config.quick else list(self.config.model)

    def here(self, *sections: Section) -> list[Section]:
        """Say of sections where they were measured."""
        return [replace(section, title=section.title + ON_GPU * self.on_gpu) for section in sections]

    def open(self, name: str) -> LanguageModel:
        """A model on the device."""
        return open_model(name, self.config.model[name], self.device).get(self.device)

    def questions(self, benchmark: Mapping[str, BenchmarkSpec]) -> Sequence[Question]:
        """Those of a benchmark."""
        return load_questions(next(iter(benchmark.values()))).questions

    def states(self, name: str, n: int) -> TokenStates:
        """Of answers to so many questions."""
        asked = forward.representative(self.questions(self.config.test), n)
        return answer_states(self.open(name), asked, self.config.max_batch_tokens)
