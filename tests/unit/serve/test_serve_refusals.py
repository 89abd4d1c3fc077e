"""What a server cannot honour is refused in OpenAI's shape, and it goes on serving."""

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from ccps import ConfidenceScorer
from ccps.core.errors import UserError
from ccps.serve import Limits
from ccps.serve.run import is_loopback, serve
from tests.unit.serve.conftest import QUESTIONS, Serving

USER = {"role": "user", "content": "What is 2 times 2?"}


def chat(**body: Any) -> dict[str, Any]:
    return {"model": "any", "messages": [USER], **body}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("chat/completions", chat(temperature=0.7), "Expected `temperature` to be 0, but got 0.7"),
        ("chat/completions", chat(top_p=0.5), "`top_p`"),
        ("chat/completions", chat(n=2), "Expected `n` to be 1"),
        ("chat/completions", chat(tools=[{"type": "function"}]), "`tools`"),
        ("chat/completions", chat(logprobs=True), "`logprobs`"),
        ("chat/completions", chat(max_tokens=0), "max_tokens"),
        ("chat/completions", chat(messages=[]), "messages"),
        ("chat/completions", chat(messages=[{"role": "wizard", "content": "Hm"}]), "wizard"),
        ("chat/completions", chat(messages=[USER, {"role": "assistant", "content": "4"}]), "user"),
        ("chat/completions", chat(messages=[{"role": "user", "content": {"a": 1}}]), "text"),
        ("chat/completions", chat(messages=[{"role": "user", "content": " "}]), "text"),
        ("chat/completions", chat(options=["3", "4"]), "without options"),
        ("chat/completions", chat(stream=True, temperature=1), "temperature"),
        ("chat/completions", chat(stream=True, messages=[{"role": "user", "content": "x " * 3000}]), "context window"),
        ("chat/completions", {"model": "any"}, "messages"),
        ("completions", {"prompt": ["a", "b"]}, "prompt"),
        ("completions", {"prompt": "a", "echo": True}, "echo"),
        ("score", {"prompt": "a"}, "answer"),
        ("score", {"prompt": "a", "answer": ""}, "not empty"),
        ("score", {"answer": "a"}, "either `prompt` or `messages`"),
        ("score", {"messages": [USER], "options": ["3", "4"], "answer": "a"}, "`options` beside a `prompt`"),
        ("score", {"items": []}, "items"),
        ("score", {"items": [{"prompt": "a", "answer": "b"}] * 300}, "at most 256"),
        ("score", {"prompt": "a", "answer": "b", "p": 1}, "p"),
    ],
)
def test_what_cannot_be_honoured_is_refused(address: str, path: str, body: dict[str, Any], words: str) -> None:
    reply = httpx.post(f"{address}/v1/{path}", json=body, timeout=60)
    assert reply.status_code == 400, reply.text
    assert words in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"{", 400), (b'"text"', 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400), (b"x" * 2_000_000, 413)],
    ids=["empty", "cut", "text", "bytes", "nested", "large"],
)
def test_what_is_no_request_is_refused(address: str, content: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    reply = httpx.post(f"{address}/v1/chat/completions", content=content, headers=headers, timeout=60)
    assert reply.status_code == status
    assert reply.json()["error"]["type"] == "invalid_request_error"


def test_half_a_character_is_refused(address: str) -> None:
    content = b'{"model": "any", "messages": [{"role": "user", "content": "\\ud800"}]}'
    reply = httpx.post(f"{address}/v1/chat/completions", content=content, headers={"content-type": "application/json"})
    assert reply.status_code == 400


def test_a_request_that_trickles_in_is_given_up(serving: Serving) -> None:
    with serving(limits=Limits(body_s=0.3)) as address:
        place = urlsplit(address)
        with socket.create_connection((str(place.hostname), int(str(place.port))), timeout=30) as slow:
            slow.sendall(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        assert httpx.get(f"{address}/health").status_code == 200


def test_the_key_is_asked_for(serving: Serving) -> None:
    with serving(key="sésame") as address:
        for given in (None, "Bearer wrong", "sésame"):
            headers = {} if given is None else {"authorization": given.encode()}
            assert httpx.post(f"{address}/v1/score", json={}, headers=headers).status_code == 401  # type: ignore[arg-type]
        right: Any = {"authorization": "Bearer sésame".encode()}
        assert httpx.get(f"{address}/v1/models", headers=right).status_code == 200
        assert httpx.get(f"{address}/health").status_code == 200


def test_nobody_else_is_let_in_without_a_key(scorer: ConfidenceScorer) -> None:
    with pytest.raises(UserError, match="Expected a key to be given"):
        serve(scorer, "0.0.0.0", 0)
    assert [is_loopback(one) for one in ("localhost", "::1", "127.9.9.9", "10.0.0.1", "example.org")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_many_at_once_are_answered_alike_and_a_bad_one_harms_nobody(address: str, scorer: ConfidenceScorer) -> None:
    asked = [*QUESTIONS, *QUESTIONS[:24]]
    scored = dict(zip(QUESTIONS, scorer.score(QUESTIONS), strict=True))

    def one(question: str) -> tuple[str, float]:
        with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=120) as client:
            [choice] = client.completions.create(model="any", prompt=question).choices
        return choice.text, choice.model_extra["confidence"]["p_correct"]  # type: ignore[index]

    def bad() -> int:
        body = {"model": "any", "prompt": "x " * 3000}
        return httpx.post(f"{address}/v1/completions", json=body, timeout=120).status_code

    with ThreadPoolExecutor(len(asked) + 1) as pool:
        refused, found = pool.submit(bad), list(pool.map(one, asked))
    assert refused.result() == 400
    assert [text for text, _ in found] == [scored[question].answer for question in asked]
    assert [p for _, p in found] == pytest.approx([scored[question].p_correct for question in asked], abs=1e-4)


def test_more_than_the_server_takes_are_sent_away(serving: Serving) -> None:
    items = [{"prompt": question, "answer": "4"} for question in QUESTIONS[:3]]
    with serving(limits=Limits(queued=2)) as address:
        reply = httpx.post(f"{address}/v1/score", json={"items": items})
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
        assert reply.json()["error"]["code"] == "queue_full"
        assert httpx.post(f"{address}/v1/score", json=items[0]).status_code == 200


def test_whoever_leaves_leaves_nothing_behind(address: str, scorer: ConfidenceScorer) -> None:
    for _ in range(5):
        with httpx.stream("POST", f"{address}/v1/chat/completions", json=chat(stream=True), timeout=60) as reply:
            next(reply.iter_bytes())
        with contextlib.suppress(httpx.TimeoutException):
            httpx.post(f"{address}/v1/chat/completions", json=chat(), timeout=0.001)
    reply = httpx.post(f"{address}/v1/chat/completions", json=chat(), timeout=60)
    [scored] = scorer.score([[USER]])
    assert reply.json()["choices"][0]["message"]["content"] == scored.answer
    assert httpx.get(f"{address}/health").json()["waiting"] == 0
