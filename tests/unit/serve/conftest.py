"""Servers on ports of this machine, of a scorer on a tiny random model, and the client that people use."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import openai
import pytest
import uvicorn

from ccps import ConfidenceScorer
from ccps.asking.interview import Manner
from ccps.llm import ModelConfig, find_model, load_model
from ccps.serve import make_app

Serving = Callable[..., contextlib.AbstractContextManager[str]]
QUESTIONS = [f"What is {place} times {place}?" for place in range(40)]


@pytest.fixture(scope="session")
def scorer(tiny_config: Callable[..., ModelConfig]) -> ConfidenceScorer:
    """For open-ended answers of up to 8 tokens; right are, with noise, those of which the model is surer."""
    lm = load_model(find_model("served", tiny_config("llama", max_position_embeddings=1024)))
    scorer = ConfidenceScorer(lm.model, lm.tokenizer, manner=Manner(max_new_tokens=8))
    p = scorer.fit(QUESTIONS, correct=[0, 1] * 20, method="sequence_probability").predict_proba(QUESTIONS)
    right = p > np.median(p)
    right[::8] = ~right[::8]
    return scorer.fit(QUESTIONS, correct=right.astype(int), method="sequence_probability", data="Squares, ours.")


@contextlib.contextmanager
def running(app: Any) -> Iterator[str]:
    """An application behind a port; gives its address without a path."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    [listening] = server.servers
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def serving(scorer: ConfidenceScorer) -> Serving:
    """Starts a server; gives its address without a path."""
    return lambda **settings: running(make_app(scorer, **settings))


@pytest.fixture(scope="module")
def address(serving: Serving) -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=60) as client:
        yield client
