"""Files of traces that are not what they should be."""

import json
from pathlib import Path
from typing import Any

from bad_inputs import Act
from ccps.reasoning.jsonl import read_traces


def _lines(*rows: Any) -> Act:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    return _bytes(text.encode())


def _bytes(content: bytes, name: str = "traces.jsonl") -> Act:
    def act(folder: Path) -> object:
        path = folder / name
        path.write_bytes(content)
        return read_traces(path)

    return act


def _field(**fields: Any) -> Act:
    return _lines({"text": "a b", **fields})


CASES: dict[str, Act] = {
    "no such file": lambda folder: read_traces(folder / "nowhere.jsonl"),
    "a folder": lambda folder: read_traces(folder),
    "an empty file": _bytes(b""),
    "zeros": _bytes(bytes(64)),
    "no UTF-8": _bytes(b'{"text": "\xff"}\n'),
    "no gzip": _bytes(b'{"text": "a"}\n', "traces.jsonl.gz"),
    "half a gzip": _bytes(bytes.fromhex("1f8b0800000000000003ab562a"), "traces.jsonl.gz"),
    "no JSON": _lines("text: a"),
    "half a line": _lines('{"text": "a'),
    "a list": _lines(["a"]),
    "a word": _lines('"a"'),
    "a deep nest": _lines('{"text": ' + "[" * 100_000),
    "thousands of digits": _lines('{"text": "a", "correct": ' + "9" * 6000 + "}"),
    "no text in any line": _lines({"id": "1"}),
    "a text that is a number": _field(text=7),
    "a text that is a list": _field(text=["a"]),
    "half a surrogate pair": _lines('{"text": "a \\ud83d"}'),
    "an id twice": _lines({"id": "1", "text": "a"}, {"id": "1", "text": "b"}),
    "an id that is a list": _field(id=["1"]),
    "ids that are words": _field(token_ids=["a", "b"]),
    "ids below zero": _field(token_ids=[-1, 2]),
    "ids with a half": _field(token_ids=[1.5, 2]),
    "ids that are truth values": _field(token_ids=[True, False]),
    "ids that are one number": _field(token_ids=7),
    "ids beyond all numbers": _field(token_ids=[10**30]),
    "prompt ids that are words": _field(prompt_ids=["a"]),
    "offsets that are words": _field(token_ids=[1], offsets=["a"]),
    "offsets of three": _field(token_ids=[1], offsets=[[0, 1, 2]]),
    "log-probabilities above 0": _field(token_ids=[1], logprobs=[0.5]),
    "log-probabilities that are words": _field(token_ids=[1], logprobs=["low"]),
    "log-probabilities that are one number": _field(token_ids=[1], logprobs=-0.5),
    "alternatives above 0": _field(token_ids=[1], top_logprobs=[[0.5]]),
    "alternatives in no order": _field(token_ids=[1], top_logprobs=[["a"]]),
    "alternatives that are one number": _field(token_ids=[1], top_logprobs=7),
    "right that is perhaps": _field(correct="perhaps"),
    "right that is 2": _field(correct=2),
    "right that is a list": _field(correct=[True]),
    "ended that is a list": _field(ended=["stop"]),
    "gold that is an object": _field(gold={"a": 1}),
    "gold of lists": _field(gold=[["a"]]),
    "gold of half a character": _lines('{"text": "a", "gold": ["\\ud800"]}'),
    "a step of half a character": _lines('{"text": "a", "steps": [{"text": "\\udfff"}]}'),
    "a step that is a text": _field(steps=["a"]),
    "a step of no text": _field(steps=[{"confidence": 0.5}]),
    "a step surer than sure": _field(steps=[{"text": "a", "confidence": 1.5}]),
    "alternatives of a step that are one text": _field(steps=[{"text": "a", "alternatives": "b"}]),
    "two values of one name": _lines('{"text": "a", "text": "b"}'),
    "a list of traces": _lines([{"text": "a"}, {"text": "b"}]),
    "messages": _lines({"messages": [{"role": "assistant", "content": "a"}]}),
    "a reply to a request that failed": _lines({"custom_id": "q", "response": {"body": {"error": {"code": 429}}}}),
    "a completion of no choice": _lines({"choices": []}),
    "a completion whose choices are an object": _lines({"choices": {"text": "a"}}),
    "a choice that is a text": _lines({"choices": ["a"]}),
    "a choice with a picture": _lines({"choices": [{"message": {"content": [{"type": "image_url", "url": "a"}]}}]}),
    "a choice whose text is a list": _lines({"choices": [{"text": ["a"], "logprobs": {"content": [{"token": "a"}]}}]}),
    "a choice that ended nobody knows how": _lines({"choices": [{"text": "a", "finish_reason": "whim"}]}),
    "a choice whose alternatives are a number": _lines(
        {"choices": [{"text": "a", "logprobs": {"token_logprobs": [-1], "top_logprobs": 7}}]}
    ),
    "alternatives of an engine that are numbers": _field(meta_info={"output_top_logprobs": [[1], [2]]}),
    "an engine's reply without a text": _lines({"meta_info": {"id": "1"}}),
    "samples of likelihoods": _lines({"doc": {}, "resps": [[[-1.5, False]], [[-2.5, True]]]}),
    "samples that are an object": _lines({"doc": {}, "resps": {"a": "b"}}),
    "a metric between right and wrong": _lines({"doc": {}, "resps": [["a"]], "exact_match": 0.5}),
    "a question that is a list": _field(question=["Why?"]),
}
