"""Writing texts of mixed length: rows that come and go, beside batches that are filled once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ccps.asking.samples import uniforms
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import LanguageModel, plan_batches, prompt_ids
from ccps.llm.decode import Choose
from ccps.llm.sample import DrawnRow, draw_together, drawing
from ccps.llm.turns import Turn, write_in_turns
from ccps.settings.faithful.traces import TraceSettings
from experiments.benchmarks.page import Figure, Section, Target
from experiments.benchmarks.timing import ratios, spread, take_turns

TITLE = "Texts of mixed length"
TARGET = Target("≥", 1.5)
_RATIO = "Rows that come and go, times the speed of batches filled once"
_MANNER = TraceSettings()
_END = -1


class Size(NamedTuple):
    """What is written.

    Attributes:
        traces: how many.
        shortest: tokens of the shortest.
        longest: tokens of the longest, and the limit of all.
        max_batch_tokens: rows times width of a batch.
        repetitions: at most.
    """

    traces: int
    shortest: int
    longest: int
    max_batch_tokens: int
    repetitions: int


FULL = Size(traces=64, shortest=50, longest=1000, max_batch_tokens=8192, repetitions=5)
QUICK = Size(traces=8, shortest=3, longest=20, max_batch_tokens=400, repetitions=1)
TEXT = (
    f"{FULL.traces} texts of {FULL.shortest} to {FULL.longest:,} tokens, evenly spread and in random order, after "
    f"questions of MMLU, drawn as reasoning traces are (temperature {_MANNER.temperature}) in float32; a text ends at "
    f"its length, which neither way knows beforehand. A batch has at most {FULL.max_batch_tokens:,} tokens. Batches "
    "that are filled once have room for every text to reach its limit; rows that have ended leave them, and the next "
    "one begins when all have. Rows that come and go are seated by what they have read so far. The random "
    "numbers are the same."
)


@dataclass(kw_only=True)
class _Row(DrawnRow):
    """A text that ends after so many tokens."""

    length: int


def measure_turns(lm: LanguageModel, questions: Sequence[Question], repetitions: int, size: Size) -> list[Figure]:
    """Time both ways in turns, on the same texts."""
    lm = replace(lm, end_tokens=(_END,))
    asked = questions[: size.traces]
    prompts = [prompt_ids(lm.tokenizer, chat_messages(question)) for question in asked]
    numbers = uniforms(_MANNER.seed, [question.id for question in asked], 1, size.longest)[:, 0]
    lengths = np.linspace(size.shortest, size.longest, len(asked)).round().astype(int)
    lengths = np.random.default_rng(0).permutation(lengths)
    choose = _until_its_end(drawing(lm, _MANNER.temperature, _MANNER.top_p))

    def rows() -> list[_Row]:
        return [_Row(numbers=own, length=int(length)) for own, length in zip(numbers, lengths, strict=True)]

    @torch.inference_mode()
    def filled_once() -> list[list[int]]:
        texts = rows()
        for batch in plan_batches([len(prompt) + size.longest for prompt in prompts], size.max_batch_tokens):
            asked, own = [prompts[index] for index in batch], [texts[index] for index in batch]
            draw_together(lm, asked, own, choose, None, drop_ended=True)
        return [text.tokens for text in texts]

    @torch.inference_mode()
    def in_turns() -> list[list[int]]:
        texts = rows()
        turns = [Turn(text, prompt, size.longest) for text, prompt in zip(texts, prompts, strict=True)]
        write_in_turns(lm, turns, choose, size.max_batch_tokens)
        return [text.tokens for text in texts]

    ways: dict[str, Callable[[], object]] = {"once": filled_once, "turns": in_turns}
    seconds, results = take_turns(ways, min(repetitions, size.repetitions), f"texts of mixed length, {lm.files.name}")
    tokens = int(lengths.sum())
    same = np.mean([one == other for one, other in zip(results["once"], results["turns"], strict=True)])
    on = f"{lm.files.name}, float32"
    return [
        Figure.of("Batches filled once", on, spread(tokens / s for s in seconds["once"]), "tokens/s"),
        Figure.of("Rows that come and go", on, spread(tokens / s for s in seconds["turns"]), "tokens/s"),
        Figure.of(_RATIO, on, ratios(seconds["once"], seconds["turns"]), "×", TARGET),
        Figure("Texts that are the same in both ways", on, 100 * float(same), "%"),
        Figure("Tokens of a text, mean", on, tokens / len(asked), "tokens"),
    ]


def _until_its_end(choose: Choose[DrawnRow]) -> Choose[Any]:
    def chosen(states: Tensor, rows: Sequence[_Row]) -> list[int]:
        tokens = choose(states, rows)
        return [_END if len(row.tokens) == row.length else token for row, token in zip(rows, tokens, strict=True)]

    return chosen


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of the figures if they cannot be measured."""
    return [Figure.missing(_RATIO, name, reason, TARGET)]


def turns_section(figures: Sequence[Figure]) -> Section:
    """The section of the page."""
    return Section(TITLE, TEXT, list(figures))
