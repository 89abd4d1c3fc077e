"""Replies of servers in layouts of their own are the text that was generated, or are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.core.errors import UserError
from ccps.reasoning.jsonl import read_traces
from ccps.reasoning.other_tools import own_rows
from ccps.reasoning.trace import Trace

Row = dict[str, Any]
THOUGHT = "<think>\nr\n</think>\n\na"


def read(folder: Path, *rows: Row) -> list[Trace]:
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read_traces(path, 2).traces)


def chat(message: Row, **choice: Any) -> Row:
    return {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", **message}, **choice}]}


def response(*items: Row, **row: Any) -> Row:
    return {"id": "r", "object": "response", "status": "completed", "output": list(items), **row}


ANSWER = {"type": "message", "content": [{"type": "output_text", "text": "a"}]}
BLOCKS = [{"type": "thinking", "thinking": "r", "signature": "s"}, {"type": "text", "text": "a"}]
PARTS = [{"text": "r", "thought": True}, {"text": "a"}]
CUT_OFF = {"incomplete_details": {"reason": "max_output_tokens"}}
# Name, line, text, whether the turn was ended.
REPLIES: list[tuple[str, Row, str, bool | None]] = [
    ("parts", chat({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}), "ab", None),
    ("Mistral", chat({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}, BLOCKS[1]]}),
     THOUGHT, None),
    ("OpenRouter", chat({"content": "a", "reasoning_details": [{"type": "reasoning.text", "text": "r"}]}),
     THOUGHT, None),
    ("OpenAI", response(ANSWER), "a", True),
    ("OpenAI, cut off", response(ANSWER, status="incomplete", **CUT_OFF), "a", False),
    ("OpenAI, open weights",
     response({"type": "reasoning", "content": [{"type": "reasoning_text", "text": "r"}], "summary": []}, ANSWER),
     THOUGHT, True),
    ("OpenAI, batch", {"custom_id": "q", "response": {"body": response(ANSWER)}}, "a", True),
    ("Anthropic", {"id": "m", "content": BLOCKS, "stop_reason": "end_turn"}, THOUGHT, True),
    ("Anthropic, sealed",
     {"content": [{"type": "redacted_thinking", "data": "x"}, BLOCKS[1]], "stop_reason": "max_tokens"}, "a", False),
    ("Anthropic, batch",
     {"custom_id": "q", "result": {"type": "succeeded", "message": {"content": BLOCKS, "stop_reason": "end_turn"}}},
     THOUGHT, True),
    ("Gemini", {"candidates": [{"content": {"parts": PARTS}, "finishReason": "STOP"}]}, THOUGHT, True),
    ("Gemini, cut off", {"candidates": [{"content": {"parts": PARTS}, "finishReason": "MAX_TOKENS"}]}, THOUGHT, False),
    ("Ollama", {"message": {"content": "a", "thinking": "r"}, "done": True, "done_reason": "stop"}, THOUGHT, True),
    ("Ollama, generate", {"response": "a", "thinking": "", "done": True, "done_reason": "length"}, "a", False),
    ("llama.cpp", {"content": "a", "stop_type": "eos"}, "a", True),
    ("llama.cpp, cut off", {"content": "a", "stop_type": "limit"}, "a", False),
    ("TGI", {"generated_text": "a", "details": {"finish_reason": "eos_token", "tokens": []}}, "a", True),
    ("vLLM", {"request_id": "0", "outputs": [{"text": "a", "token_ids": [5], "finish_reason": "length"}]}, "a", False),
]  # fmt: skip


@pytest.mark.parametrize(("row", "text", "ended"), [one[1:] for one in REPLIES], ids=[one[0] for one in REPLIES])
def test_a_reply_is_its_thought_and_its_answer(tmp_path: Path, row: Row, text: str, ended: bool | None) -> None:
    [trace] = read(tmp_path, row)
    assert (trace.text, trace.ended) == (text, ended)


TOP = [{"token": "a", "logprob": -0.5}, {"token": "c", "logprob": -2.0}]
WITH_PROBABILITIES: dict[str, Row] = {
    "llama.cpp": {
        "content": "ab",
        "stop_type": "eos",
        "completion_probabilities": [
            {"token": "a", "logprob": -0.5, "top_logprobs": TOP},
            {"token": "b", "logprob": -0.25, "top_logprobs": TOP},
        ],
    },
    "TGI": {
        "generated_text": "ab",
        "details": {
            "finish_reason": "length",
            "tokens": [{"id": 1, "text": "a", "logprob": -0.5}, {"id": 2, "text": "b", "logprob": -0.25}],
            "top_tokens": [TOP, TOP],
        },
    },
    "vLLM": {
        "request_id": "0",
        "prompt_token_ids": [7],
        "outputs": [
            {
                "text": "ab",
                "token_ids": [5, 6],
                "logprobs": [
                    {"5": {"logprob": -0.5, "rank": 1}, "9": {"logprob": -2.0, "rank": 2}},
                    {"6": {"logprob": -0.25, "rank": 1}, "9": {"logprob": -2.0, "rank": 2}},
                ],
            }
        ],
    },
    "OpenAI": response(
        {
            "type": "message",
            "content": [
                {
                    "type": "output_text",
                    "text": "ab",
                    "logprobs": [
                        {"token": "a", "logprob": -0.5, "top_logprobs": TOP},
                        {"token": "b", "logprob": -0.25, "top_logprobs": TOP},
                    ],
                }
            ],
        }
    ),
}


@pytest.mark.parametrize("name", WITH_PROBABILITIES)
def test_log_probabilities_stand_at_their_tokens(tmp_path: Path, name: str) -> None:
    [trace] = read(tmp_path, WITH_PROBABILITIES[name])
    assert trace.log_probs is not None
    assert trace.log_probs.tolist() == [-0.5, -0.25]
    assert trace.top_log_probs is not None
    assert trace.top_log_probs[0].tolist() == [-0.5, -2.0]
    assert trace.misaligned == ""
    if name == "vLLM":
        assert (list(trace.token_ids or ()), list(trace.prompt_ids)) == ([5, 6], [7])
    else:
        assert trace.offsets is not None
        assert trace.offsets.tolist() == [[0, 1], [1, 2]]


SUMMARY = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "r"}]}
REFUSED: dict[str, tuple[Row, str]] = {
    "a summary for a thought": (response(SUMMARY, ANSWER), "a summary of the reasoning and not the reasoning"),
    "a summary in details": (
        chat({"content": "a", "reasoning_details": [{"type": "reasoning.summary", "summary": "r"}]}),
        "a summary of the reasoning",
    ),
    "a picture": (chat({"content": [{"type": "image_url", "image_url": {}}]}), "should be text, or parts"),
    "a part that is a number": (chat({"content": [7]}), "should be text, or parts"),
    "a tool's words": (
        {"content": [{"type": "tool_use", "id": "t"}], "stop_reason": "tool_use"},
        "should be text, or parts",
    ),
    "what may hold its prompt": ({"generated_text": "q a"}, "no `text`"),
    "tokens without objects": (
        {"outputs": [{"text": "a", "token_ids": [5], "logprobs": [-0.5]}]},
        "an object for each token",
    ),
}


@pytest.mark.parametrize(("row", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused(tmp_path: Path, row: Row, reason: str) -> None:
    with pytest.raises(UserError, match=rf"line 1: .*{reason}"):
        read(tmp_path, row)


KEYS = [
    "id",
    "output",
    "content",
    "stop_reason",
    "candidates",
    "message",
    "done",
    "response",
    "generated_text",
    "details",
]
KEYS += [
    "outputs",
    "choices",
    "result",
    "type",
    "text",
    "thinking",
    "reasoning_details",
    "token_ids",
    "logprobs",
    "tokens",
]
SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=3) | st.sampled_from(["message", "reasoning"])
)
VALUES = st.recursive(
    SCALARS,
    lambda one: st.lists(one, max_size=2) | st.dictionaries(st.sampled_from(KEYS), one, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_whatever_a_line_holds_it_is_read_or_refused(row: Row) -> None:
    try:
        rows = list(own_rows(row))
    except ValueError:
        return
    assert all("text" in one for one in rows)
