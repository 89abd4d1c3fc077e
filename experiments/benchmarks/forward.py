"""The forward pass over real prompts, as the answer stage batches them and as plain padded batches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from ccps.data.prompts import SystemRole, chat_messages
from ccps.data.records import Question
from ccps.data.sampling import sample
from ccps.llm import LanguageModel, Passage, common_prefix, compute_prefix, final_states, plan_batches, prompt_ids
from experiments.benchmarks.page import Figure, Target
from experiments.benchmarks.timing import Seconds, ratios, spread, take_turns

TARGET = Target("≥", 1.4)
PLAIN_BATCH = 8

TEXT = (
    "Prompts of MMLU, one greedy token each; only the final states of the answer positions leave the model, in both "
    f"ways. Plain: padded batches of {PLAIN_BATCH} in dataset order. Ours: prompts of like length share a batch, and "
    "the tokens that all prompts begin with are computed once (that time counts). Rates count the prompts' own tokens, "
    "padding left out. A small sample has more padding in dataset order than the whole benchmark, where neighbours "
    "are of one subject; so the ratio is also given for the whole of it, from the measured time per computed token "
    "and the computed tokens of either way, which are counted. Batches of other shapes round differently in bfloat16, "
    "so an answer may differ where two tokens are nearly as probable."
)


@dataclass(frozen=True)
class Prompts:
    """Prompts in dataset order, and the two ways to batch them.

    Attributes:
        ids: token ids of each prompt.
        max_batch_tokens: bound of a batch of ours.
    """

    ids: Sequence[list[int]]
    max_batch_tokens: int

    @cached_property
    def shared(self) -> int:
        """How many tokens all begin with."""
        return common_prefix(self.ids)

    @cached_property
    def tokens(self) -> int:
        """Tokens of all prompts."""
        return sum(map(len, self.ids))

    @cached_property
    def plain(self) -> list[list[int]]:
        """Batches in dataset order."""
        indices = list(range(len(self.ids)))
        return [indices[i : i + PLAIN_BATCH] for i in range(0, len(indices), PLAIN_BATCH)]

    @cached_property
    def bucketed(self) -> list[list[int]]:
        """Batches of like length, of what follows the shared tokens."""
        return plan_batches([len(prompt) - self.shared for prompt in self.ids], self.max_batch_tokens)

    @cached_property
    def computed_plain(self) -> int:
        """Tokens that the plain way computes, padding and all."""
        return sum(len(batch) * max(len(self.ids[i]) for i in batch) for batch in self.plain)

    @cached_property
    def computed_bucketed(self) -> int:
        """Tokens that our way computes, padding and the shared tokens and all."""
        own = (len(batch) * (max(len(self.ids[i]) for i in batch) - self.shared) for batch in self.bucketed)
        return self.shared + sum(own)


def representative(questions: Sequence[Question], n: int, seed: int = 23) -> list[Question]:
    """Choose questions from as many subjects as possible, in dataset order."""
    subjects = len({question.subject for question in questions})
    chosen = sample(questions, per_subject=math.ceil(n / subjects), seed=seed)
    n = min(n, len(chosen))
    kept = {chosen[i * len(chosen) // n].id for i in range(n)}
    return [question for question in questions if question.id in kept]


def build_prompts(lm: LanguageModel, questions: Sequence[Question], max_batch_tokens: int) -> Prompts:
    """Turn questions into prompts, as the answer stage does."""
    role = cast(SystemRole, lm.files.config.system_role)
    ids = [prompt_ids(lm.tokenizer, chat_messages(question, system_role=role)) for question in questions]
    return Prompts(ids, max_batch_tokens)


def read_plain(lm: LanguageModel, prompts: Prompts) -> Tensor:
    """States `[prompts, d]` from plain batches."""
    return _read(lm, prompts, prompts.plain, 0)


def read_bucketed(lm: LanguageModel, prompts: Prompts) -> Tensor:
    """States `[prompts, d]` from our batches, the shared tokens computed first."""
    return _read(lm, prompts, prompts.bucketed, prompts.shared)


def _read(lm: LanguageModel, prompts: Prompts, batches: Sequence[list[int]], shared: int) -> Tensor:
    prefix = compute_prefix(lm, prompts.ids[0][:shared])
    order = [index for batch in batches for index in batch]
    states = [torch.cat(final_states(lm, [Passage(prompts.ids[i]) for i in batch], prefix)) for batch in batches]
    return torch.cat(states)[torch.tensor(order).argsort()]


def measure_forward(
    lm: LanguageModel, questions: Sequence[Question], n: int, max_batch_tokens: int, repetitions: int
) -> list[Figure]:
    """Read a sample of the questions in both ways.

    Args:
        lm: the model.
        questions: the whole benchmark, in dataset order.
        n: how many of them are read.
        max_batch_tokens: bound of a batch of ours.
        repetitions: how often.
    """
    prompts = build_prompts(lm, representative(questions, n), max_batch_tokens)
    whole = build_prompts(lm, questions, max_batch_tokens)
    read_bucketed(lm, prompts)
    read_plain(lm, Prompts(prompts.ids[:PLAIN_BATCH], max_batch_tokens))
    ways = {"plain": lambda: read_plain(lm, prompts), "bucketed": lambda: read_bucketed(lm, prompts)}
    seconds, results = take_turns(ways, repetitions, f"forward, {lm.files.name}")
    plain, ours = (lm.own_logits(results[way]).argmax(1) for way in ways)
    return forward_figures(lm.files.name, prompts, whole, seconds, (plain == ours).float().mean().item())


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of a model's figures if it is not to be had."""
    return [Figure.missing("Our batches, times the plain speed", name, reason, TARGET)]


def forward_figures(name: str, prompts: Prompts, whole: Prompts, seconds: Seconds, agreement: float) -> list[Figure]:
    """Rates of both ways, and how they compare."""
    sample_on = f"{name}, {len(prompts.ids)} questions"
    whole_on = f"{name}, all {len(whole.ids):,} questions"
    growth_plain = whole.computed_plain / prompts.computed_plain
    growth_bucketed = whole.computed_bucketed / prompts.computed_bucketed
    return [
        Figure.of("Plain batches", sample_on, spread(prompts.tokens / s for s in seconds["plain"]), "tokens/s"),
        Figure.of("Our batches", sample_on, spread(prompts.tokens / s for s in seconds["bucketed"]), "tokens/s"),
        Figure.of("Our batches, times the plain speed", sample_on, ratios(seconds["plain"], seconds["bucketed"]), "×",
                  TARGET),
        Figure.of("The same for the whole benchmark, by counted tokens", whole_on,
                  ratios(seconds["plain"], seconds["bucketed"], growth_plain / growth_bucketed), "×", TARGET),
        Figure("Tokens computed in plain batches", whole_on, whole.computed_plain, "tokens"),
        Figure("Tokens computed in our batches", whole_on, whole.computed_bucketed, "tokens"),
        Figure("Answers that are the same token in both ways", sample_on, 100 * agreement, "%"),
    ]  # fmt: skip
