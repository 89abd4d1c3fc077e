"""A server under load: answers to many clients at once, beside answers to one at a time."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ccps import ConfidenceScorer
from ccps.core.errors import expected
from ccps.data.records import Question
from ccps.settings.model import ModelConfig
from experiments.benchmarks.page import Figure, Target
from experiments.benchmarks.served import Asking, Server, ask_stream, ask_whole, cycled, messages, started, work_off
from experiments.benchmarks.timing import ratios, spread, take_turns

TARGET = Target("≥", 3)
CLIENTS, ROUNDS, ALONE = 16, 3, 8
ANSWER_TOKENS = 30
TEXT = (
    "`ccps serve` in a process of its own, asked by OpenAI's client from another on the same machine; each client asks "
    f"its next question once it is answered. Questions are those whose answers run to the limit of {ANSWER_TOKENS} "
    "tokens. The scorer's method is `ccps`, which reads the features of every token; its labels are alternately right "
    "and wrong, as its speed is all that is asked."
)
_TIMES = f"{CLIENTS} clients, times the answers of one"
_FITTED, _TRIED = 40, 8


class Part(NamedTuple):
    """What is measured on a server.

    Attributes:
        title: of its section.
        text: how it is measured.
        measure: from a name for the model, a server, questions and how much is wanted to figures.
        missing: what stands in their place for a model, with the reason.
    """

    title: str
    text: str
    measure: Callable[[str, Server, Sequence[str], float], list[Figure]]
    missing: Callable[[str, str], list[Figure]]


def on_server(
    part: Part, name: str, model: ModelConfig, questions: Sequence[Question], threads: int, amount: float
) -> list[Figure]:
    """Fit a scorer, start its server and measure.

    Raises:
        UserError: the model is not to be had, too few of its answers are long, or the server does not answer.
    """
    with prepared(model, questions, CLIENTS) as (scorer, long), started(scorer, threads) as server:
        return part.measure(name, server, long, amount)


@contextmanager
def prepared(model: ModelConfig, questions: Sequence[Question], n: int) -> Iterator[tuple[Path, list[str]]]:
    """A saved scorer, and so many questions whose answers run to its limit.

    Raises:
        UserError: there are not as many.
    """
    texts = list(dict.fromkeys(question.text for question in questions))
    fitted = texts[:_FITTED]
    labels = [place % 2 for place in range(len(fitted))]
    scorer = ConfidenceScorer(model).fit(fitted, correct=labels, method="ccps")
    long, tried = list[str](), 0
    while len(long) < n and tried < min(len(texts), _TRIED * n):
        some = texts[tried : tried + n]
        scored = scorer.score([messages(text) for text in some])
        long += [text for text, one in zip(some, scored, strict=True) if one.is_cut]
        tried += len(some)
    if len(long) < n:
        got = f"{len(long)} of {tried}"
        raise expected("questions whose answers run to the limit", f"{n} of them", got, "Measure another model.")
    with tempfile.TemporaryDirectory() as folder:
        scorer.save(Path(folder) / "scorer")
        yield Path(folder) / "scorer", long[:n]


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of the figures if they cannot be measured."""
    return [Figure.missing(_TIMES, name, reason, TARGET)]


def measure_serving(name: str, server: Server, questions: Sequence[str], repetitions: float) -> list[Figure]:
    """Time one client, many, and as many streams, in turns.

    Raises:
        UserError: a question was not answered as it should be.
    """
    waits: dict[str, list[float]] = {}
    ways: Mapping[str, tuple[Asking, int, int]] = {
        "one": (ask_whole, 1, ALONE),
        "many": (ask_whole, CLIENTS, CLIENTS * ROUNDS),
        "streams": (ask_stream, CLIENTS, CLIENTS),
    }

    def way(key: str) -> Callable[[], None]:
        ask, clients, count = ways[key]

        def work() -> None:
            told = asyncio.run(work_off(server.address, cycled([ask], questions, count), clients))
            if told.lost:
                raise expected("every question", "answered", told.lost[0], "See what the server says.")
            waits.setdefault(key, []).extend(told.seconds)

        return work

    way("many")()  # what is done once, at the first question, is not timed
    waits.clear()
    seconds, _ = take_turns({key: way(key) for key in ways}, int(repetitions), f"serving, {name}")
    each = {key: [taken / count for taken in seconds[key]] for key, (_, _, count) in ways.items()}
    rates = {key: spread(1 / taken for taken in each[key]) for key in ways}
    on = f"{name}, answers of {ANSWER_TOKENS} tokens"
    return [
        Figure.of("One client", on, rates["one"], "answers/s"),
        Figure.of(f"{CLIENTS} clients", on, rates["many"], "answers/s"),
        Figure.of(_TIMES, on, ratios(each["one"], each["many"]), "×", TARGET),
        Figure.of("Until an answer has come, one client", on, spread(waits["one"]), "s"),
        Figure.of(f"Until an answer has come, {CLIENTS} clients", on, spread(waits["many"]), "s"),
        Figure.of(f"{CLIENTS} streams", on, rates["streams"], "answers/s"),
        Figure.of(f"{CLIENTS} streams, times the answers of one client", on, ratios(each["one"], each["streams"]), "×"),
    ]


SERVING = Part("Serving", TEXT, measure_serving, missing)
