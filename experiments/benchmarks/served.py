"""A server as users start it, and clients that ask it: OpenAI's own, on to the next question once one is answered."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import openai

from ccps.core.errors import UserError
from experiments.benchmarks.memory import held

Asking = Callable[[openai.AsyncOpenAI, str], Awaitable[Any]]
"""Asks one question and gives what came; raises where what came is not what should."""

_STARTED_S = 180
_LAST = 300


class Server(NamedTuple):
    """A server in a process of its own.

    Attributes:
        process: its process.
        address: where it listens, without a path.
    """

    process: subprocess.Popen[bytes]
    address: str

    def memory(self) -> int:
        """Bytes that it holds."""
        return held(self.process.pid)


@contextmanager
def started(scorer: Path, threads: int, port: int | None = None) -> Iterator[Server]:
    """`ccps serve` on a saved scorer, ready to answer; it has ended when the block has. Its log lies beside the folder.

    Args:
        scorer: the folder.
        threads: of torch.
        port: where it listens; None for one that is free.

    Raises:
        UserError: it ends instead of answering, or takes too long.
    """
    port, log = port or free_port(), scorer.with_suffix(".log")
    command = [
        sys.executable,
        "-c",
        "from ccps.cli.main import main; main()",
        "serve",
        str(scorer),
        "--port",
        str(port),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "NO_COLOR": "1"}
    with log.open("wb") as said, subprocess.Popen(command, env=environment, stdout=said, stderr=said) as process:
        server = Server(process, f"http://127.0.0.1:{port}")
        try:
            _wait_for(server, log)
            yield server
        finally:
            process.terminate()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: Server, log: Path) -> None:
    until = time.monotonic() + _STARTED_S
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0, timeout=5) as client:
        while time.monotonic() < until:
            try:
                client.models.list()
            except openai.APIConnectionError:
                if server.process.poll() is not None:
                    break
                time.sleep(0.05)
            else:
                return
    raise UserError(f"`ccps serve` does not answer. The last that it said: {log.read_text()[-_LAST:].strip()}")


class Told(NamedTuple):
    """What clients were told.

    Attributes:
        answers: in the order in which they came.
        seconds: that each took.
        lost: what went wrong, of those that were not answered as they should be.
    """

    answers: list[Any]
    seconds: list[float]
    lost: list[str]


async def work_off(address: str, questions: Iterator[tuple[Asking, str]], clients: int) -> Told:
    """Have so many clients ask at once, each its next question as soon as it is answered, until there are none left."""
    told = Told([], [], [])
    async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=300) as client:

        async def ask_on() -> None:
            for ask, question in questions:
                begun = time.perf_counter()
                try:
                    told.answers.append(await ask(client, question))
                except (openai.OpenAIError, AssertionError, KeyError, IndexError, TypeError) as error:
                    told.lost.append(f"{type(error).__name__}: {error}")
                told.seconds.append(time.perf_counter() - begun)

        await asyncio.gather(*(ask_on() for _ in range(clients)))
    return told


def messages(question: str) -> list[Any]:
    """A question as clients put it."""
    return [{"role": "user", "content": question}]


async def ask_whole(client: openai.AsyncOpenAI, question: str) -> str:
    """The answer in one piece."""
    reply = await client.chat.completions.create(model="any", messages=messages(question))
    [choice] = reply.choices
    said = str(choice.message.content)
    check_confidence(choice, said)
    return said


async def ask_stream(client: openai.AsyncOpenAI, question: str) -> str:
    """The answer token by token."""
    said, last = "", None  # type: str, Any
    async for piece in await client.chat.completions.create(model="any", messages=messages(question), stream=True):
        [last] = piece.choices
        said += last.delta.content or ""
    check_confidence(last, said)
    return said


def check_confidence(choice: Any, said: str) -> None:
    """Refuse a choice without a probability, which only an empty answer has none of.

    Raises:
        AssertionError: it has none.
    """
    extra = getattr(choice, "model_extra", None) or {}
    confidence = extra.get("confidence")
    if confidence is None or (said.strip() and confidence.get("p_correct") is None):
        raise AssertionError(f"no confidence on the choice: {choice}")


def cycled(asks: Sequence[Asking], questions: Sequence[str], count: int) -> Iterator[tuple[Asking, str]]:
    """So many questions, each way of asking and each question in turn."""
    for place in range(count):
        yield asks[place % len(asks)], questions[place % len(questions)]
