"""Going on from every step of a trace: the trace read once, beside its prefixes read for each step or each sample."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ccps.asking.samples import uniforms
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import LanguageModel, prompt_ids
from ccps.llm.fork import fork, plant
from ccps.llm.sample import Sampled
from ccps.reasoning.paragraphs import ParagraphReader
from ccps.settings.faithful.continuations import ContinuationSettings
from experiments.benchmarks.page import Figure, Section, Target
from experiments.benchmarks.timing import Spread, now, ratios, spread, take_turns


class Size(NamedTuple):
    """What is continued, and how much of it in the slow ways.

    Attributes:
        steps: of the trace.
        tokens: of all steps together.
        k: continuations of each step.
        limit: tokens of a continuation at most.
        separate: steps for which the prefix is read for each, spread evenly.
        released: steps that are done in the released way, spread evenly; 0 leaves it out.
        repetitions: at most.
    """

    steps: int
    tokens: int
    k: int
    limit: int
    separate: int
    released: int
    repetitions: int


FULL = Size(steps=20, tokens=1000, k=10, limit=200, separate=4, released=1, repetitions=2)
DTYPES = ("bfloat16", "float32")
QUICK = Size(steps=4, tokens=80, k=2, limit=12, separate=2, released=1, repetitions=1)

TITLE = "Continuing from steps"
TARGET = Target("≥", 3)
_RATIO = "One reading of the trace, times the speed of one for each step"
_MANNER = ContinuationSettings()
TEXT = (
    f"Prefix-conditioned sampling (arXiv 2606.03969) of a trace of {FULL.tokens:,} tokens in {FULL.steps} paragraphs "
    "of equal length, texts of MMLU after a question: from the beginning of every paragraph "
    f"{FULL.k} continuations of at most {FULL.limit} tokens (temperature {_MANNER.temperature}, top-p "
    f"{_MANNER.top_p}). "
    "The released procedure reads the prefix of a step for each of its continuations in one batch, as `generate` does "
    "with `num_return_sequences`, and draws all tokens. One reading for each step: the prefix is read once for its "
    "continuations, which stop where their first paragraph ends. Both are timed on some of the steps "
    f"({FULL.released} and {FULL.separate}), spread evenly, and counted for all. Ours reads the trace once and decodes "
    "the continuations of all steps in one batch, which shrinks as they stop. The last two are the same code with the "
    "same random numbers and differ in nothing but that; so in float32 they draw the same tokens. bfloat16 rounds "
    "batches of other shapes differently, so "
    "that continuations part where two tokens are nearly as probable."
)


class Task(NamedTuple):
    """What is to be done.

    Attributes:
        prefixes: token ids of all that stands before each step.
        numbers: `[steps, k, limit]` random numbers.
        separate: the steps for which the prefix is read for each.
        released: the steps that are done in the released way.
    """

    prefixes: list[list[int]]
    numbers: npt.NDArray[np.float64]
    separate: list[int]
    released: list[int]


def chosen_size(quick: bool, *, is_own: bool) -> Size:
    """In another dtype than the model's own, the released procedure is left out."""
    size = QUICK if quick else FULL
    return size if is_own else size._replace(released=0)


def make_task(lm: LanguageModel, questions: Sequence[Question], size: Size) -> Task:
    """A trace of so many paragraphs of one length, made of questions after the first of them."""
    prompt = prompt_ids(lm.tokenizer, chat_messages(questions[0]))
    blank = list(lm.tokenizer("\n\n", add_special_tokens=False)["input_ids"])
    own = size.tokens // size.steps - len(blank)
    text = " ".join(" ".join(question.text.split()) for question in questions[1:])
    words = list(lm.tokenizer(text, add_special_tokens=False)["input_ids"])[: own * size.steps]
    trace = [token for start in range(0, len(words), own) for token in (*words[start : start + own], *blank)]
    prefixes = [prompt + trace[: step * (own + len(blank))] for step in range(size.steps)]
    numbers = uniforms(_MANNER.seed, [f"trace/{step}" for step in range(size.steps)], size.k, size.limit)
    return Task(prefixes, numbers, spread_evenly(size.steps, size.separate), spread_evenly(size.steps, size.released))


def spread_evenly(steps: int, n: int) -> list[int]:
    """Some steps, each the middle of as many."""
    return [(2 * j + 1) * steps // (2 * n) for j in range(n)]


def as_released(lm: LanguageModel, prefix: Sequence[int], k: int, limit: int) -> None:
    """Every continuation reads the prefix, and none stops before its turn ends."""
    from transformers import GenerationConfig

    config = GenerationConfig(
        do_sample=True,
        temperature=_MANNER.temperature,
        top_p=_MANNER.top_p,
        top_k=0,
        num_return_sequences=k,
        max_new_tokens=limit,
        eos_token_id=list(lm.end_tokens) or None,
        pad_token_id=0,
    )
    ids = torch.tensor([list(prefix)], device=lm.device)
    lm.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config)


class Timed:
    """Going on from steps, with what reading and drawing take apart."""

    def __init__(self, lm: LanguageModel) -> None:
        self.lm = lm
        self.complete = ParagraphReader(lm.tokenizer, "strict").is_complete
        self.reading: dict[str, list[float]] = defaultdict(list)

    def run(self, way: str, task: Task, parts: Iterable[Sequence[int]]) -> list[list[Sampled]]:
        """Go on from the steps of each part in one batch; the parts one after the other."""
        found, reading = [], 0.0
        for part in parts:
            started = now()
            forks = plant(self.lm, [task.prefixes[step] for step in part])
            reading += now() - started
            numbers = task.numbers[list(part)]
            found += fork(self.lm, forks, numbers, _MANNER.temperature, _MANNER.top_p, self.complete)
        self.reading[way].append(reading)
        return found


def measure_fork(lm: LanguageModel, questions: Sequence[Question], repetitions: int, size: Size) -> list[Figure]:
    """Time the three ways in turns."""
    task, timed = make_task(lm, questions, size), Timed(lm)
    everything = [list(range(size.steps))]
    one_by_one = [[step] for step in task.separate]

    def released() -> None:
        for step in task.released:
            as_released(lm, task.prefixes[step], size.k, size.limit)

    ways: dict[str, Callable[[], object]] = {
        **({"released": released} if task.released else {}),
        "each": lambda: timed.run("each", task, one_by_one),
        "ours": lambda: timed.run("ours", task, everything),
    }
    few = task._replace(numbers=task.numbers[:, :, :2])
    timed.run("warm-up", few, [*one_by_one[:1], *everything])
    seconds, results = take_turns(ways, min(repetitions, size.repetitions), f"continuing, {lm.files.name}")
    both = results["each"], [results["ours"][step] for step in task.separate]
    lengths = [len(one.tokens) for row in results["ours"] for one in row]
    return fork_figures(lm, size, timed.reading, seconds, same_share(*both), lengths)


def same_share(some: Sequence[Sequence[Sampled]], others: Sequence[Sequence[Sampled]]) -> float:
    """Share of continuations that are the same tokens."""
    pairs = [pair for row, other in zip(some, others, strict=True) for pair in zip(row, other, strict=True)]
    return sum(one.tokens == other.tokens for one, other in pairs) / len(pairs)


def fork_figures(
    lm: LanguageModel,
    size: Size,
    reading: Mapping[str, Sequence[float]],
    seconds: Mapping[str, Sequence[float]],
    same: float,
    lengths: Sequence[int],
) -> list[Figure]:
    """Seconds for a whole trace in each way, and how they compare."""
    on = f"{lm.files.name}, {str(lm.model.dtype).removeprefix('torch.')}"
    each = [s * size.steps / size.separate for s in seconds["each"]]
    each_reading = [s * size.steps / size.separate for s in reading["each"]]
    ours = seconds["ours"]
    figures = [
        Figure.of("One reading for each step", on, spread(each), "s/trace"),
        Figure.of("Of that, reading", on, spread(each_reading), "s/trace"),
        Figure.of("Of that, drawing", on, _differences(each, each_reading), "s/trace"),
        Figure.of("One reading of the trace", on, spread(ours), "s/trace"),
        Figure.of("Of it, reading", on, spread(reading["ours"]), "s/trace"),
        Figure.of("Of it, drawing", on, _differences(ours, reading["ours"]), "s/trace"),
        Figure.of(_RATIO, on, ratios(each, ours), "×", TARGET),
        Figure("Continuations that are the same in both ways", on, 100 * same, "%"),
        Figure("Tokens of a continuation, mean", on, float(np.mean(lengths)), "tokens"),
        Figure("Tokens of the longest", on, float(max(lengths)), "tokens"),
    ]
    if "released" not in seconds:
        return figures
    released = [s * size.steps / size.released for s in seconds["released"]]
    return [
        Figure.of("The released procedure", on, spread(released), "s/trace"),
        *figures,
        Figure.of("One reading of the trace, times the released speed", on, ratios(released, ours), "×"),
    ]


def _differences(whole: Sequence[float], part: Sequence[float]) -> Spread:
    return spread(a - b for a, b in zip(whole, part, strict=True))


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of the figures if they cannot be measured."""
    return [Figure.missing(_RATIO, name, reason, TARGET)]


def fork_section(figures: Sequence[Figure]) -> Section:
    """The section of the page."""
    return Section(TITLE, TEXT, list(figures))
