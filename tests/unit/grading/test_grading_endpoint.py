"""Replies that are none, from a server on loopback; what a real judge says is in the integration tests."""

import gzip
import json
import sqlite3
import time
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from judge_server import Fault, Proxy, raw, says, send, status

from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.grading import GraderConfig, make_grader
from ccps.grading.base import Verdict
from ccps.grading.cache import Reply
from ccps.grading.endpoint import Endpoint
from ccps.settings.grading import JudgeConfig

QUESTION = Question("q/0", "q", "Who painted it?", (), ("Vermeer",), "test", "q")
pytestmark = pytest.mark.usefixtures("judge_key")


def completion(**message: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", **message}}]}).encode()


def verdicts(server: Proxy, cache: Path, answers: list[str], **settings: Any) -> list[Verdict]:
    config = JudgeConfig(
        base_url=server.base_url, model="m", concurrency=1, **{"timeout_s": 5.0, "retries": 0, **settings}
    )
    grader = make_grader(GraderConfig("llm_judge", judge=config), cache)
    try:
        return grader.grade_all([(QUESTION, answer) for answer in answers])
    finally:
        grader.close()


def trickle(handler: BaseHTTPRequestHandler, byte: bytes) -> None:
    """A byte every now and then, without end."""
    try:
        while True:
            handler.wfile.write(byte)
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        handler.close_connection = True


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A reply that never ends."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    trickle(handler, b" ")


def drip_headers(handler: BaseHTTPRequestHandler) -> None:
    """A header that never ends."""
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    trickle(handler, b"x")


def drip_refusal(code: int) -> Fault:
    """A refusal that never ends."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        trickle(handler, b" ")

    return fault


def continue_forever(handler: BaseHTTPRequestHandler) -> None:
    """Go on, go on, go on."""
    trickle(handler, b"HTTP/1.1 100 Continue\r\n\r\n")


def wire(content: bytes) -> Fault:
    """These bytes and nothing else."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(content)
        handler.close_connection = True

    return fault


def redirect(code: int) -> Fault:
    """To the same place, without end."""
    return lambda handler: send(handler, code, b"", Location=handler.path)


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    """Less than was promised."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


def bad_chunk(handler: BaseHTTPRequestHandler) -> None:
    """In pieces, the second of which has no length."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b'4\r\n{"ch\r\nyes\r\n')
    handler.close_connection = True


def written(**fields: Any) -> Fault:
    """An object, in JSON."""
    return raw(json.dumps(fields).encode())


YES = completion(content="yes")
PART = {"type": "text", "text": "yes"}
BAD: dict[str, tuple[Fault, str]] = {
    # Bytes that are no text, and texts that are no JSON.
    "nothing": (raw(b""), "no JSON"),
    "white space": (raw(b" \r\n\t"), "no JSON"),
    "no content": (lambda handler: send(handler, 204, b""), "no JSON"),
    "no UTF-8": (raw(YES.replace(b"yes", b"\xff\xfe")), "no UTF-8"),
    "Latin-1": (raw(YES.replace(b"yes", "café".encode("latin-1"))), "no UTF-8"),
    "UTF-16": (raw(YES.decode().encode("utf-16")), "no UTF-8"),
    "a byte order mark": (raw(b"\xef\xbb\xbf" + YES), "no JSON"),
    "a NUL": (raw(YES.replace(b"yes", b"yes\x00")), "no JSON"),
    "no JSON": (raw(b"yes"), "no JSON"),
    "a page": (raw(b"<!doctype html><title>Sign in</title>", Content_Type="text/html"), "no JSON"),
    "Python": (raw(repr(json.loads(YES)).encode()), "no JSON"),
    "a comment": (raw(b"/* yes */" + YES), "no JSON"),
    "cut off": (raw(YES[:-2]), "no JSON"),
    "two replies": (raw(YES + b"\n" + YES), "no JSON"),
    "events": (raw(b"data: " + YES + b"\n\ndata: [DONE]\n\n", Content_Type="text/event-stream"), "no JSON"),
    "an integer of 5,000 digits": (raw(b'{"choices": ' + b"9" * 5_000 + b"}"), "no JSON"),
    "arrays in arrays": (raw(b"[" * 200_000), "no JSON"),
    "objects in objects": (raw(b'{"choices":' * 100_000), "no JSON"),
    # JSON that is no chat completion.
    "a number": (raw(b"1e999"), "no chat completion"),
    "not a number": (raw(b"NaN"), "no chat completion"),
    "a word": (raw(b'"yes"'), "no chat completion"),
    "true": (raw(b"true"), "no chat completion"),
    "null": (raw(b"null"), "no chat completion"),
    "a list": (raw(b"[" + YES + b"]"), "no chat completion"),
    "an empty object": (written(), "no chat completion"),
    "an error": (written(error={"message": "overloaded", "code": 529}), "no chat completion"),
    "no choice": (written(choices=[]), "no chat completion"),
    "choices that are none": (written(choices={"0": 1}), "no chat completion"),
    "choices that are null": (written(choices=None), "no chat completion"),
    "choices that are a word": (written(choices="yes"), "no chat completion"),
    "a choice that is null": (written(choices=[None]), "no chat completion"),
    "a completion of text": (written(choices=[{"text": "yes"}]), "no chat completion"),
    "a piece of a stream": (written(choices=[{"delta": {"content": "yes"}}]), "no chat completion"),
    "a message that is a word": (written(choices=[{"message": "yes"}]), "no chat completion"),
    "a message without text": (written(choices=[{"message": {"role": "assistant"}}]), "no chat completion"),
    "the reply of another interface": (written(content=[PART]), "no chat completion"),
    # Chat completions without a text.
    "a list for text": (raw(completion(content=["yes"])), "no text"),
    "parts for text": (raw(completion(content=[PART])), "no text"),
    "an object for text": (raw(completion(content=PART)), "no text"),
    "a number for text": (raw(completion(content=1e400)), "no text"),
    "a truth value for text": (raw(completion(content=True)), "no text"),
    "half a surrogate pair": (raw(completion(content="yes \ud800")), "half a surrogate pair"),
    "the other half": (raw(completion(content="\udfff yes")), "half a surrogate pair"),
    # Too much, too slow, broken off.
    "5 MiB": (raw(completion(content="yes" * 1_800_000)), "more than 4 MiB"),
    "5 MiB packed": (raw(gzip.compress(b" " * 5_000_000), Content_Encoding="gzip"), "more than 4 MiB"),
    "packed in name only": (raw(YES, Content_Encoding="gzip"), "broke off"),
    "packed twice": (raw(gzip.compress(gzip.compress(YES)), Content_Encoding="gzip, gzip"), "not asked for"),
    "packed nobody knows how": (raw(YES, Content_Encoding="br"), "not asked for"),
    "a redirect": (redirect(307), "a redirect (status 307)"),
    "a redirect to be asked otherwise": (redirect(302), "a redirect (status 302)"),
    "a redirect for good": (redirect(308), "a redirect (status 308)"),
    "no HTTP": (wire(b"yes\r\n\r\n"), "no HTTP"),
    "a length that is no number": (wire(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + YES), "no HTTP"),
    "a length below nothing": (wire(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + YES), "no HTTP"),
    "two lengths": (wire(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + YES), "no HTTP"),
    "too short a length": (wire(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + YES), "no JSON"),
    "too many headers": (wire(b"HTTP/1.1 200 OK\r\n" + b"X-Long: x\r\n" * 20_000 + b"\r\n"), "no HTTP"),
    "to be continued without end": (continue_forever, "longer than 0.3 s"),
    "a chunk without length": (bad_chunk, "broke off"),
    "cut short": (cut_short, "broke off"),
    "without end": (drip, "longer than 0.3 s"),
    "headers without end": (drip_headers, "longer than 0.3 s"),
    "a refusal without end": (drip_refusal(400), "longer than 0.3 s"),
    "a fault without end": (drip_refusal(503), "longer than 0.3 s"),
}


def test_there_are_kinds_enough() -> None:
    assert len(BAD) >= 40


@pytest.mark.parametrize("kind", BAD)
def test_a_reply_that_is_none_is_unknown_for_its_reason_and_the_run_goes_on(
    server: Proxy, tmp_path: Path, kind: str
) -> None:
    fault, why = BAD[kind]
    server.faults.extend([says("yes"), fault, fault, says("no"), fault, says("yes")])
    found = verdicts(server, tmp_path, ["one", "two", "three", "four"], total_s=0.3)
    assert [verdict.correct for verdict in found] == [True, None, False, True]
    assert why in found[1].reason
    assert not server.faults
    assert len(server.bodies) == 6
    assert verdicts(server, tmp_path, ["two"])[0] == found[1]  # kept like the others, and not asked again
    assert len(server.bodies) == 6


@pytest.mark.parametrize("kind", BAD)
def test_an_endpoint_that_has_said_nothing_yet_ends_the_run(server: Proxy, tmp_path: Path, kind: str) -> None:
    fault, why = BAD[kind]
    server.faults.extend([fault, fault])
    with pytest.raises(UserError, match="to be sending chat completions, but got") as caught:
        verdicts(server, tmp_path, ["one"], total_s=0.3)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_the_beginning_of_what_came_instead_is_kept_beside_its_reason(server: Proxy, tmp_path: Path) -> None:
    long = b"<html>down" * 50
    server.faults.extend([says("yes"), *[raw(b"<html>busy")] * 2, *[raw(long)] * 2])
    found = verdicts(server, tmp_path, ["one", "two", "three"])
    assert {verdict.reason for verdict in found[1:]} == {"the judge sent a body that is no JSON"}
    with closing(sqlite3.connect(tmp_path / "judgements.sqlite")) as cache:
        replies = cache.execute("SELECT reply FROM judgements WHERE correct IS NULL").fetchall()
    assert sorted(replies) == [("<html>busy",), ("<html>down" * 20,)]


def test_a_pause_between_attempts_is_no_part_of_either(server: Proxy, tmp_path: Path) -> None:
    server.faults.extend([status(503, retry_after_ms="600"), status(503, retry_after_ms="600"), says("yes")])
    assert verdicts(server, tmp_path, ["one"], total_s=0.4, retries=2) == [Verdict(correct=True)]
    assert len(server.bodies) == 3


def test_a_packed_refusal_is_read(server: Proxy, tmp_path: Path) -> None:
    body = gzip.compress(b'{"error": {"message": "no such model"}}')
    server.faults.append(lambda handler: send(handler, 404, body, Content_Encoding="gzip"))
    with pytest.raises(UserError, match=r"got status 404 \(.*no such model.*\)\. Check"):
        verdicts(server, tmp_path, ["one"])


@pytest.mark.parametrize(("key", "shown"), [("ab12cd3", True), ("ab12cd34", False)])
def test_a_key_that_could_be_a_word_is_no_secret(
    server: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, shown: bool
) -> None:
    """Servers that want no key get a stand-in, which would make holes in what they say."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    server.faults.append(status(400, f"<{key}>"))
    with pytest.raises(UserError, match=f"<{key}>" if shown else r"<\[key\]>"):
        verdicts(server, tmp_path, ["one"])


def test_no_more_of_a_refusal_is_read_than_a_reply_may_hold(server: Proxy, tmp_path: Path) -> None:
    server.faults.append(lambda handler: send(handler, 400, b"x" * 12_000_000))
    with pytest.raises(UserError, match=r"got status 400 \(.{1,300}\)\. Check") as caught:
        verdicts(server, tmp_path, ["one"])
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    ("counted", "taken"),
    [*((n, n) for n in (0, 7, 2**63 - 1)), *((none, None) for none in (-1, 2**63, "7", True, 1.5, None, [1]))],
)
def test_counts_that_are_none_are_not_counted(server: Proxy, tmp_path: Path, counted: Any, taken: int | None) -> None:
    body = json.loads(completion(content="yes")) | {"usage": {"prompt_tokens": counted, "completion_tokens": 2}}
    server.faults.append(raw(json.dumps(body).encode()))
    client = Endpoint(JudgeConfig(base_url=server.base_url, model="m", retries=0))
    assert client.ask([{"role": "user", "content": "?"}]) == Reply("yes", taken, 2)
    client.close()


@pytest.mark.parametrize("usage", [None, 7, "many", [1, 2], {}])
def test_a_reply_without_counts_is_a_reply(server: Proxy, tmp_path: Path, usage: Any) -> None:
    server.faults.append(raw(json.dumps(json.loads(completion(content="yes")) | {"usage": usage}).encode()))
    assert verdicts(server, tmp_path, ["one"]) == [Verdict(correct=True)]
