"""Scoring traces that are there: how decisive the words of their steps are, and how confident the model was."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ccps.core.console import say
from ccps.estimators.base import released_rules
from ccps.faithful import (
    Metric,
    baselines,
    bootstrap_score,
    dataset_score,
    deepconf_steps,
    misalignment,
    rcc,
    score_steps,
    score_trace,
    segment,
    spearman_within,
    step_token_indices,
    stratified_interval,
)
from ccps.metrics.inputs import FloatArray, IntArray
from experiments.benchmarks.memory import peak, settle
from experiments.benchmarks.page import Figure, Section, Target
from experiments.benchmarks.timing import now

T = TypeVar("T")


class Size(NamedTuple):
    """What is scored.

    Attributes:
        traces: how many.
        tokens: of a trace.
        prompt: tokens before it.
        paragraphs: of a trace.
    """

    traces: int
    tokens: int
    prompt: int
    paragraphs: int


FULL = Size(traces=1000, tokens=5000, prompt=200, paragraphs=25)
QUICK = Size(traces=8, tokens=300, prompt=20, paragraphs=4)
WIDTHS = (576, 1536)

TITLE = "Scoring traces"
TARGET, MEMORY_TARGET = Target("≤", 60), Target("≤", 1.05)
_FEWER = 4
_CHARACTERS_PER_TOKEN = 4
_SECONDS, _MEMORY = "Scoring", f"Peak memory, {_FEWER} times as many over one"
_CPU = torch.device("cpu")
TEXT = (
    f"{FULL.traces:,} invented traces of {FULL.tokens:,} tokens in {FULL.paragraphs} paragraphs, one after the other: "
    "steps and the tokens of each; decisiveness by the lexicon; DeepConf from five log-probabilities per token; RCC "
    f"from the states of all tokens and of a prompt of {FULL.prompt}, bfloat16; the scores of the trace. Then those of "
    "the dataset: MFG, cMFG and cMFG* with a stratified interval, a bootstrap of 1,000 resamples, all baselines and "
    "the rank correlation within traces. Inventing a trace is not timed; no model is needed. Memory is the most that "
    "the process holds beyond what it held before, and is compared with that of a run with a quarter of the traces."
)

_SENTENCES = (
    "We need to find the number of $x$ such that $x^2 + {a}x = {b}$, which is possible.",
    "Wait, maybe I should double-check that calculation, e.g. by plugging in {a}.5.",
    "So the total is {b}. Therefore, the answer is likely {a}.",
    "Hmm, is that right? Let me think about it again.",
    "The remainder when \\(2^{{{a}}}\\) is divided by 7 is {b}, since $2^3 = 8$.",
    "I'm not entirely sure about this step, but it seems to be consistent.",
    "Each of the {a} boxes holds {b} marbles, and none is left over.",
    "That gives {a} times {b}, which is clearly more than 12.",
    "Alternatively, we could count the pairs directly: there are {b} of them.",
    "I think the condition on line {a} probably rules out the second case.",
    "If {a} is even, then the product is even as well, so this case is impossible.",
    'The problem says "at least {a}", not "exactly {a}".',
)


class InventedTrace(NamedTuple):
    """A trace with what has been stored of it.

    Attributes:
        text: what was generated.
        offsets: `[tokens, 2]` characters.
        top_log_probs: `[tokens, 5]`, best first.
        states: `[prompt + tokens, d]` bfloat16.
    """

    text: str
    offsets: IntArray
    top_log_probs: FloatArray
    states: Tensor


class Inventor:
    """Invents traces, each another one and the same each time.

    Args:
        size: of a trace.
        width: d of its states.
    """

    def __init__(self, size: Size, width: int) -> None:
        self.size = size
        rows = 2 * (size.prompt + size.tokens)
        self.states = torch.randn(rows, width, generator=torch.Generator().manual_seed(0)).bfloat16()
        shares = np.random.default_rng(0).dirichlet([0.3] * 5, rows)
        self.log_probs = np.sort(np.log(shares + 1e-12), axis=1)[:, ::-1]

    def trace(self, number: int) -> InventedTrace:
        """Trace of a number."""
        size, source, rng = self.size, random.Random(number), np.random.default_rng(number)
        sentences = size.tokens * _CHARACTERS_PER_TOKEN // (sum(map(len, _SENTENCES)) // len(_SENTENCES))
        paragraphs = [
            " ".join(
                source.choice(_SENTENCES).format(a=source.randint(2, 99), b=source.randint(2, 999))
                for _ in range(max(1, sentences // size.paragraphs))
            )
            for _ in range(size.paragraphs)
        ]
        text = "\n\n".join(paragraphs) + "\n</think>\n\n42"
        edges = np.linspace(0, len(text), size.tokens + 1).astype(np.int64)
        tokens = rng.integers(0, len(self.log_probs), size.tokens)
        states = self.states[torch.from_numpy(rng.integers(0, len(self.states), size.prompt + size.tokens))]
        return InventedTrace(text, np.stack([edges[:-1], edges[1:]], axis=1), self.log_probs[tokens], states)


class Scorer:
    """Scores traces, and notes what each part takes."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, part: str, work: Callable[[], T]) -> T:
        """Do a part of the work."""
        started = now()
        done = work()
        self.seconds[part] += now() - started
        return done

    def score(self, traces: Iterator[InventedTrace]) -> None:
        """Score traces one after the other, then the dataset that they are."""
        scored = [self._trace(one) for one in traces]
        for estimator in ("deepconf", "rcc"):
            self.timed("scores of the dataset", partial(_dataset, estimator, scored))

    def _trace(self, one: InventedTrace) -> dict[str, Any]:
        steps = self.timed("steps", lambda: segment(one.text))
        tokens = self.timed("tokens of the steps", lambda: step_token_indices(steps, one.offsets))
        self.timed("tokens of the steps", lambda: misalignment(one.text, one.offsets, self.size.tokens))
        found = self.timed("the lexicon", lambda: score_steps(step.text for step in steps))
        words = np.array([one.score for one in found])
        deep = self.timed("DeepConf", lambda: deepconf_steps(one.top_log_probs, tokens))
        likeliest = np.exp(one.top_log_probs[:, 0])
        chain = self.timed("RCC", lambda: rcc(one.states, likeliest, tokens, self.size.prompt))
        confidence = {"deepconf": deep, "rcc": chain}
        rules = released_rules()
        scores = self.timed(
            "scores of the trace",
            lambda: {name: score_trace(words, own, rules[name]) for name, own in confidence.items()},
        )
        return {"decisiveness": words, "confidence": confidence, "scores": scores}


def _dataset(estimator: str, scored: list[dict[str, Any]]) -> None:
    words = [one["decisiveness"] for one in scored]
    steps = [one["confidence"][estimator] for one in scored]
    f = [one["scores"][estimator].faithfulness for one in scored]
    c = [one["scores"][estimator].confidence for one in scored]
    questions: npt.NDArray[np.int64] = np.arange(len(f))
    for metric in get_args(Metric):
        dataset_score(metric, f, c)
        stratified_interval(metric, f, c)
        bootstrap_score(metric, f, c, questions, seed=0)
        baselines(metric, words, steps, c)
    spearman_within(words, steps)


def measure_scoring(width: int, size: Size) -> list[Figure]:
    """Score all traces, and a part of them to compare memory."""
    inventor = Inventor(size, width)
    Scorer(size).score(inventor.trace(number) for number in range(2))
    above: list[float] = []
    seconds: dict[str, float] = {}
    for traces in (max(1, size.traces // _FEWER), size.traces):
        scorer = Scorer(size)
        held = settle(_CPU)
        scorer.score(inventor.trace(number) for number in range(traces))
        if held is not None:
            above.append(float(peak(_CPU) - held))
        seconds = scorer.seconds
    say("scoring", f"d = {width}", f"{size.traces:,} traces of {size.tokens:,} tokens, {sum(seconds.values()):.1f} s")
    return scoring_figures(f"{size.traces:,} traces, d = {width:,}", seconds, above)


def scoring_figures(on: str, seconds: dict[str, float], above: list[float]) -> list[Figure]:
    """Seconds of all parts and of each, and memory; `above` is empty where the system does not tell."""
    figures = [Figure(_SECONDS, on, sum(seconds.values()), "s", target=TARGET)]
    figures += [Figure(f"Of that, {part}", on, value, "s") for part, value in seconds.items()]
    if not (above and all(above)):
        reason = "this system does not let a process forget its peak."
        return [*figures, Figure.missing(_MEMORY, on, reason, MEMORY_TARGET)]
    return [
        *figures,
        Figure("Peak memory above what was held", on, above[-1] / 2**20, "MiB"),
        Figure(_MEMORY, on, above[-1] / above[0], "×", target=MEMORY_TARGET),
    ]


def measure_section(quick: bool) -> Section:
    """The section of the page: both widths."""
    size = QUICK if quick else FULL
    return Section(TITLE, TEXT, [figure for width in WIDTHS for figure in measure_scoring(width, size)])
