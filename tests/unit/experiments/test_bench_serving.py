"""What is measured on a server, on one in this process that serves a tiny random model."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from measured import found

from ccps import ConfidenceScorer
from ccps.asking.interview import Manner
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import ModelConfig
from ccps.serve import make_app
from experiments.benchmarks import serving, soak
from experiments.benchmarks.memory import held
from experiments.benchmarks.served import Server, _wait_for, ask_whole, check_confidence, free_port
from tests.unit.serve.conftest import running

TEXTS = [f"What is {place} times {place}?" for place in range(40)]


@pytest.fixture(scope="module")
def model(tiny_config: Callable[..., ModelConfig]) -> ModelConfig:
    return tiny_config("llama", max_position_embeddings=1024)


@pytest.fixture(scope="module")
def server(model: ModelConfig) -> Iterator[Server]:
    scorer = ConfidenceScorer(model, manner=Manner(max_new_tokens=4))
    scorer.fit(TEXTS, correct=[0, 1] * 20, method="sequence_probability")
    here: Any = SimpleNamespace(pid=os.getpid(), poll=lambda: None)
    with running(make_app(scorer)) as address:
        yield Server(here, address)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "CLIENTS", 3)
    monkeypatch.setattr(serving, "ROUNDS", 1)
    monkeypatch.setattr(soak, "CLIENTS", 3)


def test_one_client_is_held_against_many(server: Server) -> None:
    figures = serving.measure_serving("tiny", server, TEXTS, 2)
    one, many = found(figures, "One client"), found(figures, "3 clients")
    ratios = next(figure for figure in figures if figure.target)
    assert ratios.what == serving._TIMES
    # The median of two ratios lies between those of the extreme rates.
    low, high = (next(figure for figure in figures if figure.what == what) for what in ("One client", "3 clients"))
    ends = [end for figure in (high, low) for end in (figure.low, figure.high) if end]
    assert ratios.value
    assert ends[0] / ends[3] <= ratios.value <= ends[1] / ends[2]
    assert min(one, many, found(figures, "3 streams")) > 0


def test_what_is_not_answered_is_no_measurement(server: Server) -> None:
    nowhere = Server(server.process, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UserError, match="every question to be answered, but got APIConnectionError"):
        serving.measure_serving("tiny", nowhere, TEXTS, 1)


def test_a_soak_asks_in_every_way_and_counts_what_is_lost(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = soak.measure_soak("tiny", server, TEXTS, 1)
    assert (found(figures, "Lost"), found(figures, "Left waiting at the end")) == (0, 0)
    assert found(figures, "Memory of the server") == pytest.approx(held(os.getpid()) / 2**20, rel=0.2)
    asked = []

    async def fails(client: Any, question: str) -> None:
        asked.append(question)
        raise AssertionError("wrong")

    monkeypatch.setattr(soak, "WAYS", (ask_whole, fails))
    figures = soak.measure_soak("tiny", server, TEXTS, 0.5)
    assert found(figures, "Lost") == len(asked) > 0
    assert [figure.met for figure in figures if figure.what == "Lost"] == [False]


def test_a_choice_without_a_probability_is_refused() -> None:
    check_confidence(SimpleNamespace(model_extra={"confidence": {"p_correct": 0.5}}), "Nine.")
    check_confidence(SimpleNamespace(model_extra={"confidence": {"p_correct": None}}), " ")
    for extra in ({}, {"confidence": None}, {"confidence": {"p_correct": None}}):
        with pytest.raises(AssertionError, match="no confidence"):
            check_confidence(SimpleNamespace(model_extra=extra), "Nine.")


def test_questions_are_those_whose_answers_run_to_the_limit(
    model: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccps.scorer.fitting.SEEDS", (23,))  # how well it is fitted is of no account
    questions = [Question(str(place), "s", text, (), ("x",), "test", "s") for place, text in enumerate(TEXTS)]
    with serving.prepared(model, questions, 2) as (folder, long):
        assert (folder / "scorer.json").is_file()
        assert ConfidenceScorer.load(folder).settings.method == "ccps"
        assert len(long) == 2
        assert set(long) < set(TEXTS)
    assert not folder.exists()
    with pytest.raises(UserError, match=r"50 of them, but got \d+ of 40"), serving.prepared(model, questions, 50):
        pass


def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "server.log").write_text("Expected a key.")
    ended: Any = SimpleNamespace(poll=lambda: 2)
    with pytest.raises(UserError, match=r"does not answer\. The last that it said: Expected a key\."):
        _wait_for(Server(ended, f"http://127.0.0.1:{free_port()}"), tmp_path / "server.log")
