"""Counts every request to its last byte, whatever becomes of it."""

import time
from collections.abc import MutableMapping
from typing import Any

from ccps.serve.guard import App, Message, Receive, Send
from ccps.serve.measures import Measures

LEFT = 499
"""Told of a client that left before its reply began."""


class Counted:
    """An application whose requests are counted.

    Args:
        app: what answers.
        measures: where they are counted.
        paths: that there are; others are counted together, as a client may make up as many as it likes.
    """

    def __init__(self, app: App, measures: Measures, paths: frozenset[str]) -> None:
        self._app, self._measures, self._paths = app, measures, paths

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else "other"
        status, begun = LEFT, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._measures.requests.labels(path, status).inc()
            self._measures.seconds.labels(path).observe(time.perf_counter() - begun)
