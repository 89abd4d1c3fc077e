"""One request to an OpenAI-compatible endpoint, and what its faults mean to the user."""

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ccps.core.errors import UserError, expected
from ccps.grading.cache import Reply
from ccps.grading.deadline import MOST_BYTES, PACKINGS, LateError, is_packed_well, limited, watched
from ccps.grading.price import endpoint
from ccps.settings.grading import JudgeConfig

if TYPE_CHECKING:
    import openai  # takes a second, in the methods that need it: this module is imported with all graders

_KEPT = "Every verdict so far is kept: the same command goes on from there."
_MOST_TOKENS = 2**63 - 1  # that the cache can hold


class NoReply(Exception):  # noqa: N818
    """Something else than a reply has come; says what, in words that are the same for all of its kind.

    Attributes:
        sample: how it begins, if it was a text.
    """

    def __init__(self, what: str, sample: str = "") -> None:
        super().__init__(what)
        self.sample = sample


class Endpoint:
    """A client and its connections, for any number of threads; time-outs, retries and back-off are the package's.

    A request has timed out after `timeout_s` of silence. What trickles in for longer than `total_s`, be it headers, a
    body or a refusal, or grows beyond 4 MiB, is no reply.

    Args:
        config: where it is and how it is asked.
        top_p: of the sampling; none is sent if it is None.

    Raises:
        UserError: there is no key, or it cannot be used.
    """

    def __init__(self, config: JudgeConfig, top_p: float | None = None) -> None:
        import openai

        self._config = config
        self._understood = False
        self._top_p = top_p
        self._place = f"the judge {config.model} at {endpoint(config.base_url or '')}"
        self._key = _read_key(config)
        self._client = openai.OpenAI(
            api_key=self._key,
            base_url=config.base_url,
            timeout=config.timeout_s,
            max_retries=config.retries,
            http_client=watched(openai.DefaultHttpxClient)(
                follow_redirects=False,  # questions and answers are for this endpoint, and no other that it names
                headers={"Accept-Encoding": ", ".join(PACKINGS)},
            ),
        )

    def ask(self, messages: list[dict[str, str]]) -> Reply:
        """Send a chat and wait for the reply; what is no chat completion is asked for once more.

        Raises:
            NoReply: it was none again, from an endpoint that has sent others.
            UserError: there is no reply, after all retries where there is hope and at once where there is none.
        """
        import openai

        try:
            try:
                reply = self._ask(messages)
            except NoReply:
                reply = self._ask(messages)
        # The cause is cut off on purpose: an exception of the transport may show the headers.
        except openai.APIStatusError as error:
            raise self._refused(error.status_code, str(error)) from None
        except openai.APIConnectionError as error:
            raise self._silent(error) from None
        except NoReply as error:
            if self._understood:
                raise
            raise self._garbled(error) from None
        self._understood = True
        return reply

    def close(self) -> None:
        """Drop the connections; a request under way fails."""
        self._client.close()

    def _ask(self, messages: list[dict[str, str]]) -> Reply:
        import openai

        seconds = self._config.total_s
        try:
            return limited(seconds, lambda: self._send(messages))
        except LateError:
            raise NoReply(f"a reply that took longer than {seconds:g} s") from None
        except openai.APIStatusError as error:
            if 300 <= error.status_code < 400:
                raise NoReply(f"a redirect (status {error.status_code}), which is not followed") from None
            raise
        except openai.APIConnectionError as error:
            if _is_nonsense(error.__cause__):
                raise NoReply("what is no HTTP") from None
            raise

    def _send(self, messages: list[dict[str, str]]) -> Reply:
        import openai

        config = self._config
        with self._client.chat.completions.with_streaming_response.create(
            model=config.model or "",
            messages=messages,  # type: ignore[arg-type]
            temperature=openai.omit if config.temperature is None else config.temperature,
            top_p=openai.omit if self._top_p is None else self._top_p,
            max_tokens=openai.omit if config.max_tokens is None else config.max_tokens,
        ) as response:
            if not is_packed_well(response):
                raise NoReply("a reply packed in a way that was not asked for")
            return self._read(self._body(response.iter_bytes()))

    def _body(self, parts: Iterator[bytes]) -> bytes:
        body = bytearray()
        try:
            for part in parts:
                body += part
                if len(body) > MOST_BYTES:
                    raise NoReply(f"a reply of more than {MOST_BYTES // 2**20} MiB")
        except NoReply:
            raise
        # What a body breaks off with is the transport's, and the package has changed its transport before.
        except Exception as error:
            raise NoReply(f"a reply that broke off ({type(error).__name__})") from None
        return bytes(body)

    def _read(self, body: bytes) -> Reply:
        """An endpoint that is compatible in name only may leave out any part."""
        try:
            completion = json.loads(body.decode())
            text = completion["choices"][0]["message"]["content"]
        except UnicodeDecodeError:
            raise NoReply("a reply that is no UTF-8") from None
        except (ValueError, RecursionError):  # of integers of thousands of digits too
            raise NoReply("a body that is no JSON", self._scrub(body[:200].decode(errors="replace"))) from None
        except (KeyError, IndexError, TypeError):
            raise NoReply("a body that is no chat completion") from None
        if not isinstance(text, str | None):
            raise NoReply("a reply that is no text")
        # A reply is written to disk: a server that sends the key back shall not put it there.
        clean = self._scrub(text or "")
        if any("\ud800" <= character <= "\udfff" for character in clean):
            raise NoReply("a reply with half a surrogate pair")
        usage = completion.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        return Reply(clean, _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))

    def _refused(self, status: int, message: str) -> UserError:
        got = f"status {status} ({self._scrub(message)[:300]})"
        if status in (408, 409, 429) or status >= 500:
            way_out = f"{self._tries()} Wait until it is well, or ask less at once with `judge.concurrency`. {_KEPT}"
            return expected(self._place, "ready", got, way_out)
        way_outs = {
            401: f"Check the key in the environment variable {self._config.key_variable}.",
            403: f"Check what the key in the environment variable {self._config.key_variable} may use.",
            404: "Check `judge.base_url` (up to and with /v1) and `judge.model`.",
        }
        way_out = way_outs.get(status, "Check `judge.model`, `judge.temperature` and `judge.max_tokens`.")
        return expected(self._place, "willing to answer", got, f"{way_out} {_KEPT}")

    def _silent(self, error: "openai.APIConnectionError") -> UserError:
        import openai

        late = isinstance(error, openai.APITimeoutError)
        got = f"silence for {self._config.timeout_s:g} s" if late else "no connection"
        way_out = f"{self._tries()} Check that it runs, `judge.base_url` and `judge.timeout_s`. {_KEPT}"
        return expected(self._place, "within reach", got, way_out)

    def _garbled(self, error: NoReply) -> UserError:
        what = f"{error}: {error.sample}" if error.sample else str(error)
        got = f"something else twice ({self._scrub(what)[:300]})"
        way_out = "Check that `judge.base_url` is an OpenAI-compatible endpoint (up to and with /v1)."
        return expected(self._place, "sending chat completions", got, f"{way_out} {_KEPT}")

    def _tries(self) -> str:
        return f"It was asked up to {self._config.retries + 1} times."

    def _scrub(self, text: str) -> str:
        # Anything shorter is a stand-in for servers that want no key, and may be a word like "no".
        return text.replace(self._key, "[key]") if len(self._key) >= 8 else text


def _is_nonsense(cause: BaseException | None) -> bool:
    """Whether a connection failed over what was sent, and not because nothing was."""
    return type(cause).__name__ == "RemoteProtocolError" and "disconnected" not in str(cause)


def _count(given: Any) -> int | None:
    """A number of tokens, None where it can be none."""
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= _MOST_TOKENS else None


def _read_key(config: JudgeConfig) -> str:
    key = os.environ.get(config.key_variable, "").strip()
    if not key:
        way_out = "Set it; for an endpoint that asks for no key, to any text."
        raise expected(f"the environment variable {config.key_variable}", "the key of the judge", "nothing", way_out)
    # Such a key fits no HTTP header, and the transport would show it in its complaint.
    if not (key.isascii() and key.isprintable()) or " " in key:
        way_out = "Copy the key again."
        got = "other characters in it"
        raise expected(f"the environment variable {config.key_variable}", "plain ASCII without spaces", got, way_out)
    return key
