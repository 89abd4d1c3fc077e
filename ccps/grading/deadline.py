"""A limit of time for each attempt at a request, whatever its server drips: headers, a reply, or a refusal.

A transport's time-outs are those of silence: a byte every now and then is none. So each request has a thread of its
own, and whoever waits for it looks at the clock. It begins anew with each attempt, and stands still between them.
"""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

# The longest replies of models that think have a tenth of it.
MOST_BYTES = 4 * 2**20

# Unpacked piece by piece, so that little can become much only up to a limit; packed twice it could become anything.
PACKINGS = ("gzip", "deflate")

T = TypeVar("T")


class LateError(Exception):
    """An attempt has taken too long."""


class _Attempt:
    """When the attempt under way began; None between attempts."""

    began: float | None = None


# Whose attempt the request of a thread is.
_OWN = threading.local()


def limited(seconds: float, work: Callable[[], T]) -> T:
    """Do something that sends requests by a client of `watched`, none of which may take longer than some seconds.

    Raises:
        LateError: one has; its thread goes on until the server, or the client's end, lets go of it.
    """
    attempt, ended = _Attempt(), SimpleQueue[tuple[T | None, BaseException | None]]()

    def run() -> None:
        _OWN.attempt = attempt
        try:
            ended.put((work(), None))
        except BaseException as error:
            ended.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    while True:
        try:
            result, error = ended.get(timeout=min(seconds / 4, 0.5))
        except Empty:
            began = attempt.began
            if began is not None and time.monotonic() - began > seconds:
                raise LateError from None
            continue
        if error is not None:
            raise error
        return result  # type: ignore[return-value]


def watched(client: type[Any]) -> type[Any]:
    """A class of HTTP clients, as `httpx` has them, whose attempts `limited` sees.

    A refusal is read inside the attempt, and no more of it than a reply may hold.
    """

    class Watched(client):  # type: ignore[misc]
        def send(self, request: Any, **options: Any) -> Any:
            attempt = getattr(_OWN, "attempt", _Attempt())
            attempt.began = time.monotonic()
            response = None
            try:
                response = super().send(request, **options)
                return _read(response, request) if response.is_error else response
            finally:
                if response is None or response.is_error:
                    attempt.began = None

    return Watched


def is_packed_well(response: Any) -> bool:
    """Whether a body is plain, or packed once in a way that was asked for."""
    return response.headers.get("content-encoding", "").strip().lower() in ("", "identity", *PACKINGS)


def _read(refusal: Any, request: Any) -> Any:
    """A refusal with the beginning of its body, which is read."""
    body = bytearray()
    try:
        for part in refusal.iter_bytes() if is_packed_well(refusal) else ():
            body += part
            if len(body) > MOST_BYTES:
                break
    finally:
        refusal.close()
    about = ("content-encoding", "content-length", "transfer-encoding")
    headers = [(name, value) for name, value in refusal.headers.multi_items() if name.lower() not in about]
    return type(refusal)(refusal.status_code, headers=headers, content=bytes(body[:MOST_BYTES]), request=request)
