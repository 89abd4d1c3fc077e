"""The application: OpenAI's two endpoints, `/v1/score`, and what keeps a server in service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from ccps import __version__
from ccps.core.console import say as tell
from ccps.core.errors import UserError
from ccps.scorer import ConfidenceScorer
from ccps.serve.batcher import Batcher, BusyError
from ccps.serve.counting import Counted
from ccps.serve.guard import Guard
from ccps.serve.judge import Ask, Judge, Said
from ccps.serve.limits import Limits
from ccps.serve.measures import CONTENT_TYPE, Measures
from ccps.serve.replies import error
from ccps.serve.requests import ChatRequest, CompletionRequest, ScoreRequest
from ccps.serve.speaking import Speaker
from ccps.serve.upstream import Upstream, UpstreamError

_REFUSALS: dict[type[Exception], tuple[int, str, str]] = {
    UpstreamError: (502, "upstream_error", "upstream_failed"),
    UserError: (400, "invalid_request_error", "invalid_request"),
    BusyError: (429, "server_busy", "queue_full"),
    TimeoutError: (504, "timeout", "timeout"),
}


def make_app(
    scorer: ConfidenceScorer,
    limits: Limits | None = None,
    *,
    key: str | None = None,
    upstream: Upstream | None = None,
    risk: float = 0.1,
    confidence: float = 0.9,
) -> Counted:
    """A scorer as an ASGI application.

    Args:
        scorer: a fitted one.
        limits: what is taken of clients.
        key: that they must send as a bearer token; None for none.
        upstream: the endpoint that writes the answers; None to have the scorer's own model write them.
        risk: largest share of wrong answers among those for which `abstain` is false.
        confidence: probability with which that holds.
    """
    limits, judge = limits or Limits(), Judge(scorer, risk, confidence)
    measures = Measures(lambda: batcher.waiting)
    batcher = Batcher[Ask, Said](
        judge.judge, limits, together=lambda asked: asked.kind, on_batch=measures.batches.observe
    )
    speaker = Speaker(judge, batcher, measures, limits, upstream)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        try:
            yield
        finally:
            await batcher.stop()
            if upstream is not None:
                await upstream.close()

    app = FastAPI(title="ccps", version=__version__, lifespan=lifespan)
    _refuse_in_words(app)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {**judge.described(), "upstream": upstream.url if upstream else None, "waiting": batcher.waiting}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(measures.text(), media_type=CONTENT_TYPE)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": judge.model, "object": "model", "created": 0, "owned_by": "ccps"}]}

    @app.post("/v1/chat/completions")
    async def chat(request: ChatRequest) -> Response:
        return await speaker.reply(request, "chat.completion")

    @app.post("/v1/completions")
    async def completions(request: CompletionRequest) -> Response:
        return await speaker.reply(request, "text_completion")

    @app.post("/v1/score")
    async def score(request: ScoreRequest) -> dict[str, Any]:
        return await speaker.score(request)

    paths = frozenset(route.path for route in app.routes if isinstance(route, APIRoute))
    return Counted(Guard(app, limits, key), measures, paths)


def _refuse_in_words(app: FastAPI) -> None:
    """Every refusal in the shape that OpenAI's clients read; a fault of ours says no more than that it is one."""

    async def known(request: Request, fault: Exception) -> Response:
        status, kind, code = next(_REFUSALS[cls] for cls in _REFUSALS if isinstance(fault, cls))
        message = str(fault) or "The answer took too long. Ask again later, or for a shorter one."
        headers = {"Retry-After": "1"} if status == 429 else None
        return JSONResponse(error(message, kind, code), status, headers)

    async def unreadable(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, RequestValidationError)
        first = fault.errors()[0]
        place = ".".join(map(str, first["loc"][1:]))
        message = f"{f'`{place}`: ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
        return JSONResponse(error(message, code="invalid_request"), 400)

    async def usual(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, HTTPException)
        return JSONResponse(error(str(fault.detail)), fault.status_code, fault.headers)

    async def ours(request: Request, fault: Exception) -> Response:
        tell("serve", request.url.path, f"{type(fault).__name__}: {fault}", state="fault of ours")
        return JSONResponse(error("This is a fault of the server's; its log has more.", "server_error"), 500)

    for kind in _REFUSALS:
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, unreadable)
    app.add_exception_handler(HTTPException, usual)
    app.add_exception_handler(Exception, ours)
