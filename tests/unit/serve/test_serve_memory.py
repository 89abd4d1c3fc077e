"""What a server keeps of requests that it has answered: nothing."""

import gc
from typing import Any

import httpx

from tests.unit.serve.conftest import QUESTIONS

WARM_UP, ROUNDS = 5, 25


def ask_in_every_way(client: httpx.Client, place: int) -> list[int]:
    """A whole answer, a stream, an answer to judge, and what is refused."""
    question = QUESTIONS[place % len(QUESTIONS)]
    body: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": question}]}
    bodies = [body, body | {"stream": True}, body | {"temperature": 0.7}]
    replies = [client.post("/v1/chat/completions", json=one) for one in bodies]
    judged = client.post("/v1/score", json={"prompt": question, "answer": f"It is {place}."})
    return [reply.status_code for reply in (*replies, judged)]


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def test_answered_requests_leave_no_object_behind(address: str) -> None:
    with httpx.Client(base_url=address, timeout=60) as client:
        for place in range(WARM_UP):
            assert ask_in_every_way(client, place) == [200, 200, 400, 200]
        before = objects()
        for place in range(ROUNDS):
            ask_in_every_way(client, place)
        # One object kept of each of a hundred requests would be a hundred; what is under way on another thread is some.
        assert objects() - before < 2 * ROUNDS
