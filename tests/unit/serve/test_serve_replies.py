"""What the server says is what the scorer says, whole or in pieces, by either endpoint."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from ccps import ConfidenceScorer
from ccps.faithful import say
from ccps.serve.replies import Envelope, event
from ccps.serve.upstream import Upstream
from tests.unit.serve.conftest import QUESTIONS, Serving, running

MESSAGES: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTIONS[3]}]


def confidence(choice: Any) -> dict[str, Any]:
    found: dict[str, Any] = choice.model_extra["confidence"]
    return found


def test_a_reply_is_the_scorers_answer_with_its_confidence(client: openai.OpenAI, scorer: ConfidenceScorer) -> None:
    reply = client.chat.completions.create(model="any", messages=MESSAGES, extra_body={"say": True})
    [scored], others = scorer.score([MESSAGES]), scorer.predict_proba(QUESTIONS)
    assert np.ptp(others) > 0.1, "a scorer that says one thing of all answers shows nothing"
    [choice] = reply.choices
    assert choice.message.content == scored.answer
    assert choice.finish_reason == ("length" if scored.is_cut else "stop")
    told = confidence(choice)
    assert told["p_correct"] == pytest.approx(scored.p_correct, abs=1e-6)
    assert told["said"] == say(scored.p_correct)
    assert (told["method"], told["model"]) == ("sequence_probability", scorer.settings.model_name)
    assert told["fingerprint"] == scorer.settings.fingerprint
    assert told["calibrated_on"] == "40 labelled answers (Squares, ours.)"
    assert told["abstain"] == scorer.decide([MESSAGES])[0].abstain
    assert reply.model == scorer.settings.model_name


def test_pieces_make_the_same_reply(client: openai.OpenAI, scorer: ConfidenceScorer) -> None:
    pieces = list(client.chat.completions.create(model="any", messages=MESSAGES, stream=True))
    *tokens, reply = scorer.generate(MESSAGES, stream=True)
    *choices, last = [piece.choices[0] for piece in pieces]
    assert "".join(one.delta.content or "" for one in [*choices, last]).strip() == reply.text
    assert [one.delta.content for one in choices] == [token.text for token in tokens]
    stabilities = [one.model_extra["stability"] for one in choices]  # type: ignore[index]
    assert stabilities == pytest.approx([token.stability for token in tokens])  # type: ignore[union-attr]
    assert choices[0].delta.role == "assistant"
    assert confidence(last)["p_correct"] == pytest.approx(reply.p_correct, abs=1e-6)  # type: ignore[union-attr]
    assert last.finish_reason in ("stop", "length")
    assert len({piece.id for piece in pieces}) == 1


def test_a_prompt_is_put_as_a_question(client: openai.OpenAI, scorer: ConfidenceScorer) -> None:
    reply = client.completions.create(model="any", prompt=QUESTIONS[5], max_tokens=3)
    [scored] = scorer.score([QUESTIONS[5]], max_new_tokens=3)
    assert reply.choices[0].text == scored.answer
    assert confidence(reply.choices[0])["p_correct"] == pytest.approx(scored.p_correct, abs=1e-6)
    pieces = client.completions.create(model="any", prompt=QUESTIONS[5], max_tokens=3, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces).strip() == scored.answer


def test_given_answers_are_judged(address: str, scorer: ConfidenceScorer) -> None:
    items: list[dict[str, Any]] = [{"prompt": question, "answer": "Nine."} for question in QUESTIONS[:3]]
    items.append({"messages": MESSAGES, "answer": "Four."})
    reply = httpx.post(f"{address}/v1/score", json={"items": items}).json()
    wanted = [*scorer.predict_proba(QUESTIONS[:3], ["Nine."] * 3), *scorer.predict_proba([MESSAGES], ["Four."])]
    assert [one["p_correct"] for one in reply["data"]] == pytest.approx(wanted, abs=1e-5)
    alone = httpx.post(f"{address}/v1/score", json=items[0]).json()
    assert [one["p_correct"] for one in alone["data"]] == pytest.approx(wanted[:1], abs=1e-5)


def test_it_says_what_it_is_and_counts(address: str) -> None:
    health = httpx.get(f"{address}/health").json()
    assert (health["status"], health["model"], health["format"]) == ("ok", "LlamaForCausalLM", "oe")
    assert health["threshold"]["n"] == 40
    assert httpx.get(f"{address}/v1/models").json()["data"][0]["id"] == "LlamaForCausalLM"
    httpx.get(f"{address}/made/up")
    counts = httpx.get(f"{address}/metrics").text
    assert 'ccps_requests_total{path="/health",status="200"}' in counts
    assert 'ccps_requests_total{path="other",status="404"}' in counts
    assert "ccps_p_correct_bucket" in counts


@pytest.mark.parametrize("stream", [False, True])
def test_answers_of_another_endpoint_are_passed_on_and_judged(
    serving: Serving, address: str, scorer: ConfidenceScorer, stream: bool
) -> None:
    with serving(upstream=Upstream(f"{address}/v1", None, 60)) as front:
        body = {"model": "behind", "messages": MESSAGES, "stream": stream}
        reply = httpx.post(f"{front}/v1/chat/completions", json=body, timeout=60)
    [scored] = scorer.score([MESSAGES])
    [judged] = scorer.predict_proba([MESSAGES], [scored.answer])
    if not stream:
        [choice] = reply.json()["choices"]
        assert choice["message"]["content"] == scored.answer
    else:
        lines = [line.removeprefix("data: ") for line in reply.text.splitlines() if line]
        *pieces, done = lines
        choices = [json.loads(piece)["choices"][0] for piece in pieces]
        assert done == "[DONE]"
        assert "".join(one["delta"].get("content") or "" for one in choices).strip() == scored.answer
        choice = choices[-1]
    assert choice["confidence"]["p_correct"] == pytest.approx(judged, abs=1e-5)


def test_an_endpoint_that_is_not_there_is_told(serving: Serving) -> None:
    with serving(upstream=Upstream("http://127.0.0.1:9/v1", None, 5)) as front:
        reply = httpx.post(f"{front}/v1/chat/completions", json={"model": "x", "messages": MESSAGES}, timeout=60)
    assert reply.status_code == 502
    assert "the endpoint behind this server" in reply.json()["error"]["message"]


def test_pieces_of_another_endpoints_text_end_as_pieces_of_text_do(
    serving: Serving, address: str, scorer: ConfidenceScorer
) -> None:
    [scored] = scorer.score([QUESTIONS[5]])
    [judged] = scorer.predict_proba([QUESTIONS[5]], [scored.answer])
    with serving(upstream=Upstream(f"{address}/v1", None, 60)) as front:
        body = {"model": "behind", "prompt": QUESTIONS[5], "stream": True}
        reply = httpx.post(f"{front}/v1/completions", json=body, timeout=60)
    *pieces, done = [line.removeprefix("data: ") for line in reply.text.splitlines() if line]
    assert done == "[DONE]"
    told = [json.loads(piece) for piece in pieces]
    choices = [piece["choices"][0] for piece in told]
    assert {piece["object"] for piece in told} == {"text_completion"}
    assert len({piece["id"] for piece in told}) == 1
    assert all("text" in one and "delta" not in one for one in choices)
    assert "".join(one["text"] for one in choices).strip() == scored.answer
    assert choices[-1]["text"] == ""
    assert choices[-1]["confidence"]["p_correct"] == pytest.approx(judged, abs=1e-5)
    # Why it ended was said by the endpoint itself, once.
    assert sum(one["finish_reason"] is not None for one in choices) == 1


def test_an_endpoint_that_breaks_off_in_a_reply_is_told_in_that_reply(serving: Serving) -> None:
    behind = FastAPI()

    @behind.post("/v1/chat/completions")
    async def breaks_off() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            envelope = Envelope("chat.completion", "behind")
            yield event(envelope.piece("The Rhi", first=True))
            raise ConnectionError("gone")

        return StreamingResponse(pieces(), media_type="text/event-stream")

    with running(behind) as address, serving(upstream=Upstream(f"{address}/v1", None, 5)) as front:
        body = {"model": "behind", "messages": MESSAGES, "stream": True}
        reply = httpx.post(f"{front}/v1/chat/completions", json=body, timeout=60)
    first, told, done = [line.removeprefix("data: ") for line in reply.text.splitlines() if line]
    assert json.loads(first)["choices"][0]["delta"]["content"] == "The Rhi"
    assert "the endpoint behind this server" in json.loads(told)["error"]["message"]
    assert json.loads(told)["error"]["code"] == "no_confidence"
    assert done == "[DONE]"
