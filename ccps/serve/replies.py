"""What clients get: OpenAI's shapes, with a `confidence` on each choice."""

import json
import math
import time
import uuid
from typing import Any, Literal

Kind = Literal["chat.completion", "text_completion"]


class Envelope:
    """The parts that all pieces of one reply have alike.

    Args:
        kind: of the reply.
        model: name of the model, as the client reads it.
    """

    def __init__(self, kind: Kind, model: str) -> None:
        self.kind, self.model = kind, model
        self.id = ("chatcmpl-" if kind == "chat.completion" else "cmpl-") + uuid.uuid4().hex
        self.created = int(time.time())

    def whole(self, text: str, *, is_cut: bool, confidence: dict[str, Any]) -> dict[str, Any]:
        """The reply to one who does not want it in pieces."""
        said = {"message": {"role": "assistant", "content": text}} if self._is_chat else {"text": text}
        return self._with(self.kind, said, "length" if is_cut else "stop", confidence)

    def piece(self, text: str, stability: float | None = None, *, first: bool = False) -> dict[str, Any]:
        """A piece of it, with how steady its token is."""
        delta = {"content": text} | ({"role": "assistant"} if first else {})
        reply = self._with(self._kind_of_piece, {"delta": delta} if self._is_chat else {"text": text}, None, None)
        if stability is not None:
            reply["choices"][0]["stability"] = finite(stability)
        return reply

    def last(self, text: str, *, is_cut: bool, confidence: dict[str, Any]) -> dict[str, Any]:
        """The piece that ends it, with the confidence in the whole."""
        return self._with(self._kind_of_piece, self._left(text), "length" if is_cut else "stop", confidence)

    def after(self, piece: dict[str, Any] | None, confidence: dict[str, Any]) -> dict[str, Any]:
        """The confidence alone, after the last piece of another endpoint, which has said already why it ended."""
        own = self._with(self._kind_of_piece, self._left(""), None, confidence)
        return own if piece is None else {**piece, "choices": own["choices"]}

    def _left(self, text: str) -> dict[str, Any]:
        if not self._is_chat:
            return {"text": text}
        return {"delta": {"content": text} if text else {}}

    @property
    def _is_chat(self) -> bool:
        return self.kind == "chat.completion"

    @property
    def _kind_of_piece(self) -> str:
        return "chat.completion.chunk" if self._is_chat else self.kind

    def _with(
        self, kind: str, said: dict[str, Any], reason: str | None, confidence: dict[str, Any] | None
    ) -> dict[str, Any]:
        choice = {"index": 0, **said, "finish_reason": reason, "logprobs": None}
        if confidence is not None:
            choice["confidence"] = confidence
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": [choice]}


def finite(value: float) -> float | None:
    """A number that JSON has; None for NaN and infinity."""
    return value if math.isfinite(value) else None


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data, ensure_ascii=False, allow_nan=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def error(message: str, kind: str = "invalid_request_error", code: str | None = None) -> dict[str, Any]:
    """The body of a refusal, in the shape that OpenAI's clients read."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
