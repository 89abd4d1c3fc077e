"""Whole chats to an endpoint: each once, kept word for word, with what they took."""

import hashlib
from pathlib import Path

import pytest
from judge_server import Proxy, raw, says

from ccps.grading.asker import ChatAsker, asked_of, content_key
from ccps.grading.base import Usage
from ccps.grading.cache import Reply
from ccps.settings.grading import JudgeConfig

CHATS = [[{"role": "user", "content": text}] for text in ("one", "two")]
pytestmark = pytest.mark.usefixtures("judge_key")


def config(server: Proxy, model: str = "m") -> JudgeConfig:
    return JudgeConfig(server.base_url, model, retries=0, concurrency=1, temperature=0.25, max_tokens=77)


def test_a_chat_is_put_once_and_its_reply_kept(server: Proxy, tmp_path: Path) -> None:
    server.faults.extend([says(" First\n"), says("Second", usage=False)])
    asker = ChatAsker(config(server), tmp_path, top_p=0.5)
    replies = [Reply(" First\n", 10, 2), Reply("Second", None, None)]
    assert asker.ask([*CHATS, CHATS[0]]) == [*replies, replies[0]]
    assert asker.usage == Usage(calls=2, cached=0, prompt_tokens=10, completion_tokens=2, uncounted=1)
    asker.close()
    again = ChatAsker(config(server), tmp_path, top_p=0.5)
    assert again.ask(CHATS[::-1]) == replies[::-1]
    assert again.usage == Usage(calls=0, cached=2, prompt_tokens=10, completion_tokens=2, uncounted=1)
    again.close()
    assert [body["messages"] for body in server.bodies] == CHATS
    for body in server.bodies:
        sent = {name: body[name] for name in ("model", "temperature", "top_p", "max_tokens")}
        assert sent == {"model": "m", "temperature": 0.25, "top_p": 0.5, "max_tokens": 77}


def test_another_model_or_sampling_is_asked_anew(server: Proxy, tmp_path: Path) -> None:
    for place, (model, top_p) in enumerate([("m", 0.5), ("m", None), ("n", 0.5), ("m", 0.75)]):
        server.faults.append(says(str(place)))
        asker = ChatAsker(config(server, model), tmp_path, top_p)
        assert asker.ask(CHATS[:1])[0].text == str(place)
        asker.close()
    assert ["top_p" in body for body in server.bodies] == [True, False, True, True]


def test_what_is_no_reply_is_kept_with_its_reason_and_cost_two(server: Proxy, tmp_path: Path) -> None:
    server.faults.extend([says("First"), raw(b"<html>"), raw(b"<html>")])
    asker = ChatAsker(config(server), tmp_path)
    assert asker.ask(CHATS)[1] == Reply("", None, None, "the judge sent a body that is no JSON")
    assert asker.usage == Usage(calls=3, cached=0, prompt_tokens=10, completion_tokens=2, uncounted=1)
    asker.close()


def test_keys_on_disk_stay() -> None:
    """Another key would have everything asked, and paid for, again."""
    whom = asked_of(JudgeConfig("https://HOST.example/v1/", "m", temperature=0.0, max_tokens=8), 0.5)
    assert whom == {"endpoint": "host.example/v1", "model": "m", "temperature": 0.0, "max_tokens": 8, "top_p": 0.5}
    written = b'[{"a": 1, "b": null}, "\\u00e9"]'
    assert content_key([{"b": None, "a": 1}, "é"]) == hashlib.blake2b(written, digest_size=16).hexdigest()
