"""What the judge makes of everything that an endpoint does wrong, and what it asks and keeps."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_server import Proxy, echo_key, proxy, raw, says, silence, status
from judging import ANSWERS, QUESTION, judge, pairs

from ccps.core.errors import UserError
from ccps.grading import JudgeConfig, Verdict
from ccps.grading.asker import ChatAsker
from ccps.grading.cache import Reply

KEY = "sk-never-to-be-seen-5f2c"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def alone() -> Iterator[Proxy]:
    """A proxy that only ever misbehaves."""
    with proxy() as server:
        yield server


def failure(server: Proxy, cache: Path, **settings: object) -> str:
    with pytest.raises(UserError) as caught:
        judge(server.base_url, "m", cache, **settings).grade_all(pairs(["Paris"]))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("faults", "timeout_s", "least_wait_s"),
    [
        ([status(429, Retry_After="1")], 120.0, 0.9),
        ([status(500)], 120.0, 0.2),
        ([status(503), status(429, Retry_After="1")], 120.0, 0.9),
        ([silence], 1.0, 0.0),
        ([raw(b'{"choices": [')], 120.0, 0.0),
        ([raw(b"<html>It works!</html>", Content_Type="text/html")], 120.0, 0.0),
        ([raw(b'{"choices": []}')], 120.0, 0.0),
        ([raw(b"null")], 120.0, 0.0),
    ],
    ids=["429", "500", "503-429", "silence", "torn", "html", "no-choice", "null"],
)
def test_a_passing_fault_is_got_over(
    alone: Proxy, tmp_path: Path, faults: list[Any], timeout_s: float, least_wait_s: float
) -> None:
    alone.faults.extend([*faults, says("Yes.")])
    grader = judge(alone.base_url, "m", tmp_path, retries=2, timeout_s=timeout_s)
    assert grader.grade_all(pairs(["Paris"])) == [Verdict(True)]
    assert len(alone.bodies) == len(faults) + 1
    assert alone.times[-1] - alone.times[0] >= least_wait_s
    assert grader.usage[:4] == (1, 0, 10, 2)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
def test_a_request_that_can_never_pass_is_made_once(alone: Proxy, tmp_path: Path, code: int) -> None:
    alone.faults.append(status(code, "not you"))
    message = failure(alone, tmp_path, retries=5)
    assert f"to be willing to answer, but got status {code}" in message
    assert "not you" in message
    assert alone.base_url.removeprefix("http://") in message
    assert len(alone.bodies) == 1


@pytest.mark.parametrize(
    ("code", "way_out"),
    [
        (400, "Check `judge.model`, `judge.temperature` and `judge.max_tokens`."),
        (401, "Check the key in the environment variable OPENAI_API_KEY."),
        (403, "Check what the key in the environment variable OPENAI_API_KEY may use."),
        (404, "Check `judge.base_url` (up to and with /v1) and `judge.model`."),
    ],
)
def test_a_refusal_has_the_way_out_of_its_kind(alone: Proxy, tmp_path: Path, code: int, way_out: str) -> None:
    alone.faults.append(status(code, "not you"))
    message = failure(alone, tmp_path)
    place = alone.base_url.removeprefix("http://")
    assert message.startswith(f"Expected the judge m at {place} to be willing to answer, but got status {code} (")
    assert message.endswith(f"). {way_out} Every verdict so far is kept: the same command goes on from there.")


@pytest.mark.parametrize("code", [408, 409, 429, 500, 503])
def test_a_lasting_fault_names_endpoint_status_and_way_out(alone: Proxy, tmp_path: Path, code: int) -> None:
    alone.faults.extend([status(code)] * 2)
    message = failure(alone, tmp_path)
    assert f"to be ready, but got status {code}" in message
    assert "It was asked up to 2 times." in message
    assert alone.base_url.removeprefix("http://") in message
    assert message.endswith(
        " It was asked up to 2 times. Wait until it is well, or ask less at once with `judge.concurrency`. "
        "Every verdict so far is kept: the same command goes on from there."
    )
    assert len(alone.bodies) == 2


def test_a_judge_that_never_answers(alone: Proxy, tmp_path: Path) -> None:
    alone.faults.extend([silence] * 2)
    message = failure(alone, tmp_path, timeout_s=0.3)
    assert message.endswith(
        " to be within reach, but got silence for 0.3 s. It was asked up to 2 times. Check that it runs, "
        "`judge.base_url` and `judge.timeout_s`. Every verdict so far is kept: the same command goes on from there."
    )


def test_nobody_listens(tmp_path: Path) -> None:
    with proxy() as gone:
        pass
    assert "no connection" in failure(gone, tmp_path, retries=0)


def test_an_endpoint_of_another_kind(alone: Proxy, tmp_path: Path) -> None:
    alone.faults.extend([raw(b"<html></html>", Content_Type="text/html")] * 2)
    assert failure(alone, tmp_path).endswith(
        " to be sending chat completions, but got something else twice (a body that is no JSON: <html></html>). Check "
        "that `judge.base_url` is an OpenAI-compatible endpoint (up to and with /v1). "
        "Every verdict so far is kept: the same command goes on from there."
    )


@pytest.mark.parametrize("text", ["maybe", "yes and no", "Yes, no.", "", None, "true", "yes yes"])
def test_a_reply_that_is_neither_yes_nor_no_is_asked_about_once_more(
    alone: Proxy, tmp_path: Path, text: str | None
) -> None:
    alone.faults.extend([says(text), says("NO")])
    assert judge(alone.base_url, "m", tmp_path).grade_all(pairs(["Paris"])) == [Verdict(False)]
    first, second = alone.asked_about()
    assert QUESTION.text in first
    # The whole question again, with a reminder.
    assert second.startswith(first)
    assert len(second) > len(first)


def test_an_unknown_verdict_stands_until_its_file_is_removed(alone: Proxy, tmp_path: Path) -> None:
    alone.faults.extend([says("maybe"), says("perhaps")])
    for _ in range(2):
        (verdict,) = judge(alone.base_url, "m", tmp_path).grade_all(pairs(["Paris"]))
        assert verdict == Verdict(None, "the judge said neither yes nor no")
    assert len(alone.bodies) == 2
    (tmp_path / "judgements.sqlite").unlink()
    alone.faults.append(says("yes"))
    assert judge(alone.base_url, "m", tmp_path).grade_all(pairs(["Paris"])) == [Verdict(True)]


def test_every_rambling_has_the_same_reason_and_stays_in_the_cache(alone: Proxy, tmp_path: Path) -> None:
    alone.faults.extend(says(f"Well, {index}") for index in range(2 * len(ANSWERS)))
    verdicts = judge(alone.base_url, "m", tmp_path, concurrency=1).grade_all(pairs(ANSWERS))
    assert {verdict.reason for verdict in verdicts} == {"the judge said neither yes nor no"}
    with sqlite3.connect(tmp_path / "judgements.sqlite") as cache:
        kept = {reply for (reply,) in cache.execute("SELECT reply FROM judgements WHERE correct IS NULL")}
    assert kept == {f"Well, {index}" for index in range(1, 2 * len(ANSWERS), 2)}


def test_tokens_that_were_not_counted_are_not_taken_for_none(alone: Proxy, tmp_path: Path) -> None:
    alone.faults.extend([says("yes", usage=False), says("no")])
    grader = judge(alone.base_url, "m", tmp_path, concurrency=1)
    grader.grade_all(pairs(["Paris", "Rome"]))
    assert grader.usage == (2, 0, 10, 2, 1)
    again = judge(alone.base_url, "m", tmp_path)
    again.grade_all(pairs(["Paris", "Rome"]))
    assert again.usage == (0, 2, 10, 2, 1)


def test_a_judgement_counts_once_however_often_it_is_used(alone: Proxy, tmp_path: Path) -> None:
    alone.faults.extend([says("maybe"), says("yes"), says("no")])
    grader = judge(alone.base_url, "m", tmp_path, concurrency=1)
    for _ in range(2):
        assert grader.grade_all(pairs(["Paris", "Rome"])) == [Verdict(True), Verdict(False)]
    # Two replies about the first answer, one about the second.
    assert grader.usage == (3, 0, 30, 6, 0)


def test_one_grader_keeps_one_connection_until_it_is_closed(alone: Proxy, tmp_path: Path) -> None:
    peers = set()

    def remember(handler: Any) -> None:
        peers.add(handler.client_address)
        says("no")(handler)

    alone.faults.extend([remember] * 6)
    grader = judge(alone.base_url, "m", tmp_path, concurrency=1)
    for answer in ANSWERS[:4]:
        grader.grade_all(pairs([answer]))
    assert len(peers) == 1
    grader.close()
    grader.close()
    assert grader.grade_all(pairs(ANSWERS[:5])) == [Verdict(False)] * 5
    assert len(peers) == 2
    assert grader.usage.calls == 5


def test_what_came_before_a_failure_is_kept(alone: Proxy, tmp_path: Path) -> None:
    alone.faults.extend([says("yes"), says("no"), status(404)])
    with pytest.raises(UserError, match="404"):
        judge(alone.base_url, "m", tmp_path, concurrency=1).grade_all(pairs(ANSWERS))
    alone.faults.extend([says("no")] * (len(ANSWERS) - 2))
    grader = judge(alone.base_url, "m", tmp_path)
    assert [verdict.correct for verdict in grader.grade_all(pairs(ANSWERS))] == [True] + [False] * (len(ANSWERS) - 1)
    assert grader.usage.cached == 2


@pytest.mark.parametrize("change", [{"model": "other"}, {"temperature": 0.5}, {"max_tokens": None}])
def test_another_judge_is_asked_anew(alone: Proxy, tmp_path: Path, change: dict[str, Any]) -> None:
    alone.faults.extend([says("yes"), says("no")])
    judge(alone.base_url, "m", tmp_path).grade_all(pairs(["Paris"]))
    model = change.pop("model", "m")
    assert judge(alone.base_url, model, tmp_path, **change).grade_all(pairs(["Paris"])) == [Verdict(False)]


def test_ctrl_c_wins_over_what_fails_while_it_stops(tmp_path: Path) -> None:
    class Faltering:
        closed = 0

        def close(self) -> None:
            self.closed += 1
            raise RuntimeError("cannot even close")

    def interrupted(server: object) -> tuple[Reply, int]:
        raise KeyboardInterrupt

    asker = ChatAsker(JudgeConfig("http://127.0.0.1:9", "m"), tmp_path)
    faltering = vars(asker)["_server"] = Faltering()
    with pytest.raises(KeyboardInterrupt):
        asker.ask_all({"one": interrupted})
    assert faltering.closed == 1
    assert not {"_server", "_cache"} & set(vars(asker))


def test_two_runs_at_once_share_what_they_learn(alone: Proxy, tmp_path: Path) -> None:
    alone.faults.extend([says("no")] * 16)
    graders = [judge(alone.base_url, "m", tmp_path) for _ in range(2)]
    found: list[list[Verdict]] = []
    threads = [threading.Thread(target=lambda g=g: found.append(g.grade_all(pairs(ANSWERS)))) for g in graders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[Verdict(False)] * len(ANSWERS)] * 2
    assert judge(alone.base_url, "m", tmp_path).grade_all(pairs(ANSWERS)) == found[0]


def test_the_key_is_seen_nowhere(
    alone: Proxy, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    alone.faults.extend([echo_key, says(f"maybe {KEY}"), says(f"{KEY}"), silence, status(500, KEY)])
    grader = judge(alone.base_url, "m", tmp_path, timeout_s=1.0, concurrency=1)
    messages = [failure(alone, tmp_path)]
    assert "[key]" in messages[0]
    verdicts = grader.grade_all(pairs(["Paris"]))
    with pytest.raises(UserError) as caught:
        grader.grade_all(pairs(["Rome"]))
    messages += [str(caught.value), repr(caught.value), repr(verdicts), repr(grader.settings()), repr(vars(grader))]
    printed = capfd.readouterr()
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert caplog.records
    for text in [*messages, caplog.text, printed.out, printed.err, *(content.decode("latin-1") for content in files)]:
        assert KEY not in text
