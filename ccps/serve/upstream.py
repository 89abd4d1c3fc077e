"""Another endpoint that writes the answers, which are then read once by the model of the scorer and judged."""

from collections.abc import AsyncGenerator
from typing import Any

import openai

from ccps.core.errors import UserError
from ccps.serve.requests import ChatRequest, CompletionRequest

_OURS = {"say", "options"}


class UpstreamError(UserError):
    """The endpoint behind the server does not answer as it should."""


class Upstream:
    """An endpoint that speaks as OpenAI's does.

    Args:
        url: its base, as `http://localhost:8000/v1`.
        key: what it wants as a key; None for none.
        timeout_s: how long it may take.
    """

    def __init__(self, url: str, key: str | None, timeout_s: float) -> None:
        # Without a key the client would look for one in the environment, which may be meant for another endpoint.
        self._client = openai.AsyncOpenAI(base_url=url, api_key=key or "none", timeout=timeout_s, max_retries=1)
        self.url = url

    async def whole(self, request: ChatRequest | CompletionRequest) -> dict[str, Any]:
        """Its reply to a request.

        Raises:
            UpstreamError: it cannot be reached, or refuses.
        """
        try:
            reply = await self._send(request)
        except openai.OpenAIError as error:
            raise self._refused(error) from error
        return reply.model_dump(mode="json")  # type: ignore[no-any-return]

    async def pieces(self, request: ChatRequest | CompletionRequest) -> AsyncGenerator[dict[str, Any]]:
        """Its reply piece by piece.

        Raises:
            UpstreamError: it cannot be reached, refuses, or breaks off.
        """
        try:
            stream = await self._send(request)
            async with stream:
                async for piece in stream:
                    yield piece.model_dump(mode="json")
        except openai.OpenAIError as error:
            raise self._refused(error) from error

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.close()

    async def _send(self, request: ChatRequest | CompletionRequest) -> Any:
        body = request.model_dump(exclude_none=True, exclude=_OURS)
        model, stream = body.pop("model"), body.pop("stream")
        if isinstance(request, ChatRequest):
            messages = body.pop("messages")
            return await self._client.chat.completions.create(
                model=model, messages=messages, stream=stream, extra_body=body
            )
        prompt = body.pop("prompt")
        return await self._client.completions.create(model=model, prompt=prompt, stream=stream, extra_body=body)

    def _refused(self, error: openai.OpenAIError) -> UpstreamError:
        got = getattr(error, "message", "") or type(error).__name__
        what = f"Expected the endpoint behind this server ({self.url}) to answer, but got: {str(got)[:300]}."
        return UpstreamError(f"{what} See whether it runs, and what it says itself.")


def text_of(choice: dict[str, Any]) -> str:
    """The text of a choice, or of a piece of one."""
    said = choice.get("message") or choice.get("delta")
    return (said.get("content") if said else choice.get("text")) or ""
