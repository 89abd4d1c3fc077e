"""What stands before the application: a key, a limit of size and of time for the request to arrive."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ccps.serve.limits import Limits
from ccps.serve.replies import error

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN = ("/health", "/metrics")
"""Paths that need no key: they say nothing of what was asked."""


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status, self.body = status, error(message, code=code)


class Guard:
    """Lets requests through that have the key, whole, before they are looked at.

    Args:
        app: what answers.
        limits: of size and time.
        key: that clients must send as a bearer token; None for none.
    """

    def __init__(self, app: App, limits: Limits, key: str | None) -> None:
        self._app, self._limits = app, limits
        self._key = None if key is None else key.encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check_key(scope)
            async with asyncio.timeout(self._limits.body_s):
                body = await self._body(scope, receive)
        except TimeoutError:
            message = f"Expected the request within {self._limits.body_s:g} s. Send it again."
            await _refuse(send, _RefusedError(408, message, "request_timeout"))
        except _RefusedError as refused:
            await _refuse(send, refused)
        else:
            if body is not None:
                await self._app(scope, _again(body, receive), send)

    def _check_key(self, scope: MutableMapping[str, Any]) -> None:
        if self._key is None or scope["path"] in OPEN:
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + self._key):
            raise _RefusedError(401, "Expected the server's key as `Authorization: Bearer …`.", "invalid_api_key")

    async def _body(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes | None:
        """The whole body; None if the client has left."""
        most = self._limits.body_bytes
        too_large = _RefusedError(
            413, f"Expected a request of at most {most:,} bytes. Send less at a time.", "too_large"
        )
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if stated.isdigit() and int(stated[:20]) > most:
            raise too_large
        parts, size = list[bytes](), 0
        while True:
            part = await receive()
            if part["type"] == "http.disconnect":
                return None
            parts.append(part.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise too_large
            if not part.get("more_body"):
                return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives a body that has been read, and then whatever comes after it."""
    left = [body]

    async def give() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return give


async def _refuse(send: Send, refused: _RefusedError) -> None:
    content = json.dumps(refused.body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    # What is left of the request is not read: the connection ends with the reply.
    await send(
        {"type": "http.response.start", "status": refused.status, "headers": [*headers, (b"connection", b"close")]}
    )
    await send({"type": "http.response.body", "body": content})
