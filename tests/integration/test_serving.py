"""`ccps serve` as users start it: under load, killed in the midst of an answer, and told to stop in one."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from ccps import ConfidenceScorer
from ccps.asking.interview import Manner
from ccps.llm import ModelConfig
from experiments.benchmarks.served import Server, ask_whole, check_confidence, cycled, messages, started, work_off
from experiments.benchmarks.soak import measure_soak

pytestmark = pytest.mark.slow

QUESTIONS = [f"What is {place} times {place}?" for place in range(40)]
LONG = 800
WITHIN_SECONDS = 40
"""Tokens that are written before the ten seconds are over which a server that is told to stop takes."""


@pytest.fixture(scope="module")
def scorer(tiny_config: Callable[..., ModelConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one; its model is random, and goes on until it is cut off."""
    model = tiny_config("llama", max_position_embeddings=1024)
    fitted = ConfidenceScorer(model, manner=Manner(max_new_tokens=8))
    fitted.fit(QUESTIONS, correct=[0, 1] * 20, method="sequence_probability")
    fitted.save(folder := tmp_path_factory.mktemp("served") / "scorer")
    return folder


def streamed(client: openai.OpenAI, tokens: int) -> Iterator[Any]:
    """An answer of so many tokens, piece by piece, begun."""
    asked = messages(QUESTIONS[3])
    pieces = client.chat.completions.create(model="any", messages=asked, stream=True, max_tokens=tokens)
    yield next(iter(pieces))
    yield from pieces


def asking(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0, timeout=60)


def answered(server: Server) -> list[Any]:
    """One question of each kind of reply that is needed here."""
    told = asyncio.run(work_off(server.address, cycled([ask_whole], QUESTIONS, 3), 3))
    assert told.lost == []
    return sorted(told.answers)


def test_nothing_is_lost_under_load_and_memory_stays_flat(scorer: Path) -> None:
    with started(scorer, 1) as server:
        figures = measure_soak("tiny", server, QUESTIONS, 20)
    missed = [f"{figure.what}: {figure.value}" for figure in figures if figure.met is False]
    assert missed == []
    assert sum(figure.met is True for figure in figures) == 3


def test_a_kill_ends_streams_at_once_and_a_restart_serves(scorer: Path) -> None:
    with started(scorer, 1) as server:
        before = answered(server)
        with asking(server) as client:
            pieces = streamed(client, LONG)
            assert next(pieces).choices
            server.process.kill()
            with pytest.raises(openai.APIConnectionError):
                list(pieces)
            with pytest.raises(openai.APIConnectionError):
                client.models.list()
    port = int(server.address.rpartition(":")[2])
    with started(scorer, 1, port) as again:
        assert answered(again) == before


def test_what_is_in_hand_is_finished_when_it_is_told_to_stop(scorer: Path) -> None:
    with started(scorer, 1) as server, asking(server) as client:
        pieces = streamed(client, WITHIN_SECONDS)
        first = next(pieces)
        server.process.terminate()
        *others, last = pieces
        check_confidence(last.choices[0], "a long answer")
        assert last.choices[0].finish_reason == "length"
        assert len([first, *others]) == WITHIN_SECONDS
        server.process.wait(timeout=60)
        with pytest.raises(openai.APIConnectionError):
            client.models.list()
