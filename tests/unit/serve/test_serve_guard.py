"""The guard before the application, spoken to as a server does."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from ccps.serve.guard import Guard, Receive, Send
from ccps.serve.limits import Limits

Message = MutableMapping[str, Any]


def spoken(parts: list[Message], key: str | None = None, **scope: Any) -> tuple[list[Message], list[bytes]]:
    """What is sent back, and the bodies that reach the application."""
    sent: list[Message] = []
    reached: list[bytes] = []
    left = list(parts)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        message = await receive()
        reached.append(message.get("body", message["type"].encode()))
        if left:  # what comes after the body still arrives
            reached.append((await receive())["type"].encode())

    async def receive() -> Message:
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    guard = Guard(app, Limits(body_bytes=8), key)
    usual: Message = {"type": "http", "path": "/v1/score", "headers": []}
    asyncio.run(guard({**usual, **scope}, receive, send))
    return sent, reached


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_in_pieces_arrives_whole_and_what_follows_after_it() -> None:
    sent, reached = spoken([part(b"four", more=True), part(b"more"), {"type": "http.disconnect"}])
    assert sent == []
    assert reached == [b"fourmore", b"http.disconnect"]


def test_what_is_no_request_is_passed_on() -> None:
    assert spoken([{"type": "lifespan.startup"}], key="k", type="lifespan") == ([], [b"lifespan.startup"])


@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ([part(b"12345", more=True), part(b"6789")], []),  # it never said how much
        ([part(b"")], [(b"content-length", b"9")]),
        ([part(b"")], [(b"content-length", b"9" * 4000)]),
        ([part(b"123456789")], [(b"content-length", b"many")]),
    ],
)
def test_a_body_that_is_too_large_is_refused(parts: list[Message], headers: list[tuple[bytes, bytes]]) -> None:
    (start, body), reached = spoken(parts, headers=headers)
    assert (start["status"], reached) == (413, [])
    assert json.loads(body["body"])["error"]["message"] == "Expected a request of at most 8 bytes. Send less at a time."
    assert (b"connection", b"close") in start["headers"]


def test_of_a_client_that_leaves_nothing_is_answered() -> None:
    assert spoken([part(b"1", more=True), {"type": "http.disconnect"}]) == ([], [])


@pytest.mark.parametrize(("given", "is_let_in"), [(b"Bearer k", True), (b"Bearer K", False), (b"k", False)])
def test_the_key_is_compared_whole(given: bytes, is_let_in: bool) -> None:
    sent, reached = spoken([part(b"x")], key="k", headers=[(b"authorization", given)])
    assert bool(reached) == is_let_in
    assert [message.get("status") for message in sent[:1]] == ([] if is_let_in else [401])


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_what_says_nothing_of_others_needs_no_key(path: str) -> None:
    assert spoken([part(b"x")], key="k", path=path) == ([], [b"x"])
