"""A server for minutes on end, asked in every way by clients good and bad: what is lost, and what its memory does."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import openai

from ccps.core.console import say
from experiments.benchmarks.page import Figure, Target
from experiments.benchmarks.served import Asking, Server, Told, ask_stream, ask_whole, messages, work_off
from experiments.benchmarks.serving import CLIENTS, Part
from experiments.benchmarks.timing import Spread

NOTHING, FLAT = Target("≤", 0), Target("≤", 1.03)
TEXT = (
    f"{CLIENTS} clients for some minutes at `ccps serve`, each on to its next question at once: whole answers, "
    "streams, answers to be judged, streams that are left after their first piece, and requests that are refused, "
    "in turn. Lost is what was not answered as it should be: with a confidence, or with the refusal. Memory is that "
    "of the server's process, a reading each second; the first fifth, in which buffers grow to their size, is left "
    "out."
)
_LOST, _MEMORY = "Lost", "Memory, the last fifth over the second"


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of the figures if they cannot be measured."""
    return [Figure.missing(_LOST, name, reason, NOTHING), Figure.missing(_MEMORY, name, reason, FLAT)]


async def _ask_to_judge(client: openai.AsyncOpenAI, question: str) -> None:
    body = {"prompt": question, "answer": "I do not know."}
    found: Any = await client.post("/score", cast_to=object, body=body)
    assert found["data"][0]["p_correct"] is not None, found


async def _ask_and_leave(client: openai.AsyncOpenAI, question: str) -> None:
    stream = await client.chat.completions.create(model="any", messages=messages(question), stream=True)
    async with stream:
        await anext(stream)


async def _ask_in_vain(client: openai.AsyncOpenAI, question: str) -> None:
    try:
        await client.chat.completions.create(model="any", messages=messages(question), temperature=0.7)
    except openai.BadRequestError:
        return
    raise AssertionError("what is refused was answered")


WAYS: Sequence[Asking] = (ask_whole, ask_whole, ask_stream, _ask_to_judge, ask_whole, _ask_and_leave, _ask_in_vain)


def measure_soak(name: str, server: Server, questions: Sequence[str], seconds: float) -> list[Figure]:
    """Ask for so many seconds.

    Args:
        name: the model's.
        server: what is asked.
        questions: what it is asked.
        seconds: how long.
    """
    told, memory, taken, waiting = asyncio.run(_soak(server, questions, seconds))
    on = f"{name}, {taken / 60:.1f} minutes, {len(told.seconds)} requests"
    fifth = len(memory) // 5
    second, last = (_mean(memory[start : start + fifth]) for start in (fifth, len(memory) - fifth))
    if told.lost:
        say("soak", name, told.lost[0], state="lost")
    return [
        Figure("Requests that were answered or refused as they should be", on, len(told.answers) / taken, "per s"),
        Figure(_LOST, on, len(told.lost), "requests", target=NOTHING),
        Figure("Left waiting at the end", on, waiting, "questions", target=NOTHING),
        Figure.of("Memory of the server", on, Spread(second, min(memory[fifth:]), max(memory[fifth:])), "MiB"),
        Figure(_MEMORY, on, last / second, "×", target=FLAT),
    ]


async def _soak(server: Server, questions: Sequence[str], seconds: float) -> tuple[Told, list[float], float, int]:
    begun, memory = time.monotonic(), list[float]()
    until = begun + seconds

    def asked() -> Iterator[tuple[Asking, str]]:
        place = 0
        while time.monotonic() < until:
            yield WAYS[place % len(WAYS)], questions[place % len(questions)]
            place += 1

    async def watch() -> None:
        while True:
            memory.append(server.memory() / 2**20)
            await asyncio.sleep(min(1, seconds / 50))

    watching = asyncio.create_task(watch())
    try:
        told = await work_off(server.address, asked(), CLIENTS)
    finally:
        watching.cancel()
    async with openai.AsyncOpenAI(base_url=server.address, api_key="none", max_retries=0) as client:
        health: Any = await client.get("/health", cast_to=object)
    return told, memory, time.monotonic() - begun, int(health["waiting"])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


SOAK = Part("Soak", TEXT, measure_soak, missing)
