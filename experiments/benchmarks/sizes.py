"""One language model after the other, from toy to 32B: the forward pass, extraction beside it, and its two floors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ccps.llm import LanguageModel, Passage, final_states
from ccps.perturbation import Grid, Head, reference_features, stability_features, stability_features_sweep
from ccps.settings.perturbation import PerturbationConfig
from experiments.benchmarks.floors import copies, forward_operations, matrix_products
from experiments.benchmarks.memory import peak, settle
from experiments.benchmarks.open_ended import ANSWER_TOKENS, PROMPT_TOKENS, states_by_the_paper
from experiments.benchmarks.page import Figure
from experiments.benchmarks.size_figures import LONG, SHORT, Measured, size_figures
from experiments.benchmarks.stored import STORED_TOKENS
from experiments.benchmarks.sweep import RADII
from experiments.benchmarks.timing import take_turns

ROWS = {"cpu": 8, "cuda": 64}
CHOICE_PROMPT_TOKENS = 170

TEXT = (
    f"One batch of {ROWS['cpu']} answers on the CPU, of {ROWS['cuda']} on a GPU, of random token ids: one token after "
    f"prompts of {CHOICE_PROMPT_TOKENS} (the mean of MMLU's, multiple choice), and {ANSWER_TOKENS} tokens after "
    f"prompts of {PROMPT_TOKENS}. Bare forward: the layers, and nothing kept. Forward + extraction: from token ids to "
    "feature rows in one process, the answers' tokens given. The paper's procedure gets the same one-token answers, "
    "one after the other: two forward passes without a cache, with the logits of all positions, then its features "
    f"(CCPS, arXiv 2505.21772). Features alone: of the {LONG}, from their states, in float32. Their floors are three "
    "matrix products at this machine's measured peak in float32, and at its measured bandwidth the bytes that must be "
    "moved: the head once for each product, L0 and S written once and read once. Time is held against the larger. "
    "The share of the peak counts two operations for each weight and token and the three products of the features "
    "(not those of attention), over the measured peak in the model's own type. Peaks and bandwidth (square matrices, "
    f"large copies) are measured anew in each repetition. The sweep is one pass for {len(RADII)} radii from "
    f"{RADII[0]:g} to {RADII[-1]:g}, each with the steps of the settings. Memory above the model: at the peak of "
    f"forward + extraction of the {LONG}, the head in float32 among it. A model named `random` has the shapes of the "
    "one it is named after."
)


def random_passages(lm: LanguageModel, rows: int, prompt: int, answer: int, seed: int = 0) -> list[Passage]:
    """Prompts and answers of random token ids."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(len(lm.head.weight), (rows, prompt + answer), generator=generator).tolist()
    return [Passage(row[:prompt], row[prompt:]) for row in ids]


def stored_passages(lm: LanguageModel) -> list[Passage]:
    """Answers of so many tokens in all as are written for the section Storage."""
    return random_passages(lm, STORED_TOKENS // ANSWER_TOKENS, PROMPT_TOKENS, ANSWER_TOKENS, seed=1)


@dataclass(frozen=True)
class Batch:
    """Passages of one length for one model.

    Attributes:
        lm: the model.
        passages: what it reads.
        perturbation: how far and how finely states are pushed.
    """

    lm: LanguageModel
    passages: Sequence[Passage]
    perturbation: PerturbationConfig

    @cached_property
    def tokens(self) -> Tensor:
        """All answer tokens."""
        return torch.tensor([token for passage in self.passages for token in passage.answer], device=self.lm.device)

    @torch.inference_mode()
    def forward(self) -> None:
        """The bare forward pass."""
        ids = torch.tensor([passage.read for passage in self.passages], device=self.lm.device)
        self.lm.model.get_decoder()(input_ids=ids, use_cache=False)

    def states(self) -> Tensor:
        """States of all answer tokens, `[tokens, d]`."""
        return torch.cat(final_states(self.lm, self.passages))

    def features(self, states: Tensor, head: Head) -> Tensor:
        """Features of all answer tokens, from their states."""
        radius, steps = self.perturbation.radius, self.perturbation.steps
        return stability_features(states, head, self.tokens, radius, steps)

    def sweep(self, states: Tensor, head: Head) -> Tensor:
        """Features for all radii of the sweep."""
        grids = [Grid(radius, self.perturbation.steps) for radius in RADII]
        return stability_features_sweep(states, head, self.tokens, grids)

    def by_the_paper(self, head: Head, n: int | None = None) -> None:
        """The paper's procedure from token ids to features, for the first passages."""
        radius, steps = self.perturbation.radius, self.perturbation.steps
        for passage in self.passages[:n]:
            states = states_by_the_paper(self.lm, list(passage.prompt), list(passage.answer))
            tokens = torch.tensor(passage.answer, device=self.lm.device)
            reference_features(states, head, tokens, radius, steps)


def measure_size(
    lm: LanguageModel, perturbation: PerturbationConfig, repetitions: int, rows: int | None = None
) -> list[Figure]:
    """Time all ways in turns, after one pass of which memory alone is taken.

    Args:
        lm: the model.
        perturbation: how far and how finely states are pushed.
        repetitions: how often.
        rows: answers in a batch, as in `ROWS` if left out.
    """
    device = lm.device
    rows = rows or ROWS[device.type]
    short = Batch(lm, random_passages(lm, rows, CHOICE_PROMPT_TOKENS, 1), perturbation)
    long = Batch(lm, random_passages(lm, rows, PROMPT_TOKENS, ANSWER_TOKENS), perturbation)
    Batch(lm, long.passages[:1], perturbation).forward()  # touches every weight
    held = settle(device)
    head = lm.head.to(device, torch.float32)
    long.features(long.states(), head)
    most = None if held is None else peak(device)

    states = long.states()
    yardsticks = {
        "products": matrix_products(device, torch.float32),
        "own products": matrix_products(device, lm.model.dtype),
        "copies": copies(device),
    }
    ways: dict[str, Callable[[], object]] = {
        f"bare {SHORT}": short.forward,
        SHORT: lambda: short.features(short.states(), head),
        f"bare {LONG}": long.forward,
        LONG: lambda: long.features(long.states(), head),
        "features": lambda: long.features(states, head),
        "sweep": lambda: long.sweep(states, head),
        **{name: yardstick.work for name, yardstick in yardsticks.items()},
    }
    for way in ways.values():
        way()
    short.by_the_paper(head, 1)
    ways["paper"] = lambda: short.by_the_paper(head)
    seconds = take_turns(ways, repetitions, f"sizes, {lm.files.name}").seconds
    vocabulary, width = head.weight.shape
    return size_figures(
        Measured(
            name=lm.files.name,
            device=device.type,
            parameters=lm.model.num_parameters(),
            vocabulary=vocabulary,
            width=width,
            answers=rows,
            forward_operations={
                kind: forward_operations(lm, sum(len(passage.read) for passage in batch.passages))
                for kind, batch in ((SHORT, short), (LONG, long))
            },
            amounts={name: yardstick.amount for name, yardstick in yardsticks.items()},
            seconds=seconds,
            held=held,
            most=most,
        )
    )
