"""Replies that are none, from a server on loopback; what a real judge says is in the integration tests."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from judge_server import Fault, Proxy, proxy, raw, says, send, status

from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.grading import GraderConfig, make_grader
from ccps.grading.base import Verdict
from ccps.settings.grading import JudgeConfig

QUESTION = Question("q/0", "q", "Who painted it?", (), ("Vermeer",), "test", "q")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-for-tests")


@pytest.fixture
def server() -> Iterator[Proxy]:
    with proxy() as found:
        yield found


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


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    """Less than was promised."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


BAD: dict[str, tuple[Fault, str]] = {
    "no UTF-8": (raw(completion(content="yes").replace(b"yes", b"\xff\xfe")), "no UTF-8"),
    "half a surrogate pair": (raw(completion(content="yes \ud800")), "half a surrogate pair"),
    "no JSON": (raw(b"yes"), "no JSON"),
    "an integer of 5,000 digits": (raw(b'{"choices": ' + b"9" * 5_000 + b"}"), "no JSON"),
    "arrays in arrays": (raw(b"[" * 200_000), "no JSON"),
    "a number": (raw(b"1e999"), "no chat completion"),
    "no choice": (raw(b'{"choices": []}'), "no chat completion"),
    "choices that are none": (raw(b'{"choices": {"0": 1}}'), "no chat completion"),
    "null": (raw(b"null"), "no chat completion"),
    "a list for text": (raw(completion(content=["yes"])), "no text"),
    "a number for text": (raw(completion(content=1e400)), "no text"),
    "5 MiB": (raw(completion(content="yes" * 1_800_000)), "more than 4 MiB"),
    "without end": (drip, "longer than 0.3 s"),
    "headers without end": (drip_headers, "longer than 0.3 s"),
    "a refusal without end": (drip_refusal(400), "longer than 0.3 s"),
    "a fault without end": (drip_refusal(503), "longer than 0.3 s"),
    "cut short": (cut_short, "broke off"),
}


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


def test_what_came_instead_is_kept_beside_its_reason(server: Proxy, tmp_path: Path) -> None:
    server.faults.extend([says("yes"), *[raw(b"<html>busy")] * 2, *[raw(b"<html>down")] * 2])
    found = verdicts(server, tmp_path, ["one", "two", "three"])
    assert {verdict.reason for verdict in found[1:]} == {"the judge sent a body that is no JSON"}
    with closing(sqlite3.connect(tmp_path / "judgements.sqlite")) as cache:
        replies = cache.execute("SELECT reply FROM judgements WHERE correct IS NULL").fetchall()
    assert sorted(replies) == [("<html>busy",), ("<html>down",)]


def test_a_pause_between_attempts_is_no_part_of_either(server: Proxy, tmp_path: Path) -> None:
    server.faults.extend([status(503), says("yes")])  # after which the client waits for half a second or more
    assert verdicts(server, tmp_path, ["one"], total_s=0.3, retries=1) == [Verdict(correct=True)]


def test_no_more_of_a_refusal_is_read_than_a_reply_may_hold(server: Proxy, tmp_path: Path) -> None:
    server.faults.append(lambda handler: send(handler, 400, b"x" * 12_000_000))
    with pytest.raises(UserError, match=r"got status 400 \(.{1,300}\)\. Check") as caught:
        verdicts(server, tmp_path, ["one"])
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("counted", [-1, 2**70, "7", True, 1.5, None, [1]])
def test_counts_that_are_none_are_not_counted(server: Proxy, tmp_path: Path, counted: Any) -> None:
    body = json.loads(completion(content="yes")) | {"usage": {"prompt_tokens": counted, "completion_tokens": 2}}
    server.faults.append(raw(json.dumps(body).encode()))
    assert verdicts(server, tmp_path, ["one"]) == [Verdict(correct=True)]
