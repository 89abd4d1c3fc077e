"""From a request to its reply, whole or in pieces, by the scorer's own model or by another endpoint."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi.responses import JSONResponse, Response, StreamingResponse

from ccps.core.errors import UserError
from ccps.scorer import Confidence, Reply, Token
from ccps.serve.batcher import Batcher, BusyError
from ccps.serve.judge import Ask, Judge, Said
from ccps.serve.limits import Limits
from ccps.serve.measures import Measures
from ccps.serve.replies import DONE, Envelope, Kind, error, event, finite
from ccps.serve.requests import ChatRequest, CompletionRequest, ScoreRequest
from ccps.serve.upstream import Upstream, text_of

Generated = ChatRequest | CompletionRequest
_NO_ANSWER = "none: the answer is empty"


class Speaker:
    """Answers requests.

    Args:
        judge: the scorer.
        batcher: hands it questions that come together.
        measures: is told of each answer.
        limits: how many replies are written in pieces at a time.
        upstream: the endpoint that writes the answers; None for the scorer's own model.
    """

    def __init__(
        self,
        judge: Judge,
        batcher: Batcher[Ask, Said],
        measures: Measures,
        limits: Limits,
        upstream: Upstream | None,
    ) -> None:
        self._judge, self._batcher, self._measures, self._upstream = judge, batcher, measures, upstream
        self._limits, self._streams = limits, 0

    async def reply(self, request: Generated, kind: Kind) -> Response:
        """The reply to a request for an answer.

        Raises:
            UserError: it asks for what a scorer cannot honour, or the endpoint behind this one refuses.
            BusyError: too many wait.
            TimeoutError: it took too long.
        """
        request.check_single()
        if self._upstream is None:
            request.check_greedy()
            return await (self._streamed if request.stream else self._own)(request, kind)
        if request.stream:
            return await self._passed_on(self._upstream, request, kind)
        return await self._of_upstream(self._upstream, request)

    async def score(self, request: ScoreRequest) -> dict[str, Any]:
        """P(correct) of answers that are given."""
        if len(request.items) > self._limits.items:
            raise UserError(f"Expected at most {self._limits.items} `items`, but got {len(request.items)}. Send fewer.")
        found = await self._ask([Ask(item.question, item.answer) for item in request.items])
        return {"object": "list", "model": self._judge.model, "data": [self._noted(one) for one in found]}

    async def _own(self, request: Generated, kind: Kind) -> Response:
        [found] = await self._ask([Ask(request.question, limit=request.limit)])
        assert isinstance(found, Reply)
        confidence = self._noted(found, say=request.say)
        return JSONResponse(
            Envelope(kind, self._judge.model).whole(found.text, is_cut=found.is_cut, confidence=confidence)
        )

    async def _ask(self, asked: list[Ask]) -> list[Confidence | Reply]:
        return [found for found in await self._batcher.ask(asked) if not isinstance(found, Token)]

    async def _of_upstream(self, upstream: Upstream, request: Generated) -> Response:
        reply = await upstream.whole(request)
        for choice in reply["choices"]:
            choice["confidence"] = await self._of_given(request, text_of(choice))
        return JSONResponse(reply)

    async def _of_given(self, request: Generated, answer: str) -> dict[str, Any]:
        if not answer.strip():
            return self._noted(Confidence("", "", float("nan"), _NO_ANSWER))
        [found] = await self._ask([Ask(request.question, answer)])
        return self._noted(found, say=request.say)

    async def _streamed(self, request: Generated, kind: Kind) -> Response:
        if self._streams >= self._limits.queued:
            raise BusyError(f"{self._streams} replies are being written")
        pieces = self._batcher.pieces(Ask(request.question, limit=request.limit, is_told=True))
        # What cannot be asked is refused before the reply begins.
        first = await anext(pieces)
        return _events(self._written(request, Envelope(kind, self._judge.model), first, pieces))

    async def _written(
        self, request: Generated, envelope: Envelope, first: Said, rest: AsyncGenerator[Said]
    ) -> AsyncGenerator[bytes]:
        self._streams += 1
        try:
            async with aclosing(rest):
                said, piece = "", first
                while isinstance(piece, Token):
                    yield event(envelope.piece(piece.text, piece.stability, first=piece is first))
                    said, piece = said + piece.text, await anext(rest)
            assert isinstance(piece, Reply)
            # An answer that was cut off within a character ends with what stands for it.
            written = said.strip()
            left = piece.text[len(written) :] if piece.text.startswith(written) else ""
            confidence = self._noted(piece, say=request.say)
            yield event(envelope.last(left, is_cut=piece.is_cut, confidence=confidence))
            yield DONE
        finally:
            self._streams -= 1

    async def _passed_on(self, upstream: Upstream, request: Generated, kind: Kind) -> Response:
        pieces = upstream.pieces(request)
        first = await anext(pieces, None)
        return _events(self._passed(request, Envelope(kind, self._judge.model), first, pieces))

    async def _passed(
        self,
        request: Generated,
        envelope: Envelope,
        first: dict[str, Any] | None,
        rest: AsyncGenerator[dict[str, Any]],
    ) -> AsyncGenerator[bytes]:
        said, piece, last = "", first, first
        async with aclosing(rest):
            while piece is not None:
                said += "".join(map(text_of, piece["choices"]))
                yield event(piece)
                last, piece = piece, await anext(rest, None)
        yield event(envelope.after(last, await self._of_given(request, said)))
        yield DONE

    def _noted(self, found: Confidence | Reply, *, say: bool = False) -> dict[str, Any]:
        """The confidence as clients read it, counted."""
        confidence = self._judge.confidence(found, say=say)
        p = finite(found.p_correct)
        if p is not None:
            self._measures.confidences.observe(p)
        if confidence["abstain"]:
            self._measures.abstained.inc()
        return confidence


async def _to_its_end(content: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """A reply in pieces; what stops it after it has begun is said in the same stream."""
    try:
        async with aclosing(content):
            async for part in content:
                yield part
    except (UserError, BusyError, TimeoutError) as fault:
        yield event(error(str(fault) or "The confidence took too long.", "server_error", "no_confidence"))
        yield DONE


def _events(content: AsyncGenerator[bytes]) -> Response:
    return StreamingResponse(
        _to_its_end(content), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )
