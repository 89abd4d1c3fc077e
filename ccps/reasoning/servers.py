"""What servers reply in layouts of their own, as chat completions (`ccps.reasoning.other_tools` reads those).

    OpenAI's responses        `output` of items, `status`
    Anthropic's messages      `content` of blocks, `stop_reason`; in batches below `result.message`
    Gemini                    `candidates[].content.parts`, `finishReason`
    Ollama                    `message` or `response` with `thinking`, `done_reason`
    llama.cpp                 `content`, `completion_probabilities`, `stop_type`
    text-generation-inference `generated_text`, `details.tokens`, `details.finish_reason`
    vLLM, offline             `outputs[]` with `text`, `token_ids` and `logprobs` by token id

A ValueError says what cannot be read, such as the summary of a thought in the place of the thought.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]

_THOUGHTS = ("thinking", "reasoning", "reasoning_text", "thought")
_TEXTS = ("text", "output_text")
# Thoughts that nobody can read.
_SEALED = ("redacted_thinking", "reasoning.encrypted")


def as_completion(row: Row) -> Row | None:
    """A reply as a chat completion with `choices`, beside what else the line holds; None if it is of no such layout.

    Raises:
        ValueError: it is of one, but cannot be read.
    """
    result = row.get("result")
    if isinstance(result, Mapping) and isinstance(result.get("message"), Mapping):
        row = {**row, **result["message"], "id": row.get("custom_id")}
    for reader in (_of_responses, _of_anthropic, _of_gemini, _of_ollama, _of_llama_cpp, _of_tgi, _of_vllm):
        choices = reader(row)
        if choices is not None:
            name = row.get("custom_id") or row.get("id") or row.get("request_id")
            return {**row, "id": name, "choices": choices}
    return None


def said_in(content: object, where: str) -> tuple[str | None, str | None]:
    """What a list of parts says, and what is thought in it.

    Raises:
        ValueError: a part is neither text nor thought.
    """
    if not isinstance(content, list):
        return (content, None) if content is None or isinstance(content, str) else (_unread(where), None)
    said: list[str] = []
    thought: list[str] = []
    for part in content:
        kind = part.get("type", "text") if isinstance(part, Mapping) else None
        if kind in _SEALED:
            continue
        if kind in _THOUGHTS:
            thought.append(_inner(part, where))
        elif kind in _TEXTS and isinstance(part.get("text"), str):
            (thought if part.get("thought") is True else said).append(part["text"])
        else:
            _unread(where)
    return "".join(said) if said or not thought else None, "\n\n".join(thought) or None


def _unread(where: str) -> Any:
    raise ValueError(f"`{where}` should be text, or parts that are text or thoughts")


def _inner(part: Mapping[str, Any], where: str) -> str:
    """The words of a thought, which may lie in parts of their own."""
    inner = next((part[name] for name in (*_THOUGHTS, "text", "content") if part.get(name)), "")
    if isinstance(inner, str):
        return inner
    parts = inner if isinstance(inner, list) else [inner]
    texts = [one.get("text") if isinstance(one, Mapping) else None for one in parts]
    return "".join(text if isinstance(text, str) else _unread(where) for text in texts)


def _choice(said: Any, thought: Any, ended: object, logprobs: object = None) -> Row:
    message = {"content": said, "reasoning_content": thought}
    return {"message": message, "finish_reason": ended, "logprobs": logprobs}


def _items(value: object) -> list[Mapping[str, Any]] | None:
    """A list of objects, if it is one with anything in it."""
    return value if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value) else None


def _of_responses(row: Row) -> list[Row] | None:
    items = _items(row.get("output"))
    if items is None or not all("type" in one for one in items):
        return None
    parts: list[Any] = []
    thoughts = []
    for item in items:
        if item["type"] == "message":
            content = item.get("content") or []
            parts += content if isinstance(content, list) else [content]
        elif item["type"] == "reasoning":
            if item.get("summary") and not item.get("content"):
                raise ValueError("`output` holds a summary of the reasoning and not the reasoning: leave it out")
            thoughts.append(said_in(item.get("content"), "output"))
    said, _ = said_in(parts, "output")
    thought = "\n\n".join(text or inner or "" for text, inner in thoughts)
    ended = row.get("status")
    details = row.get("incomplete_details")
    if isinstance(details, Mapping) and details.get("reason"):
        ended = details["reason"]
    logprobs = parts[0].get("logprobs") if len(parts) == 1 and isinstance(parts[0], Mapping) else None
    return [_choice(said, thought or None, ended, {"content": logprobs} if logprobs else None)]


def _of_anthropic(row: Row) -> list[Row] | None:
    if "stop_reason" not in row or not isinstance(row.get("content"), list):
        return None
    return [_choice(*said_in(row["content"], "content"), row["stop_reason"])]


def _of_gemini(row: Row) -> list[Row] | None:
    candidates = _items(row.get("candidates"))
    if candidates is None:
        return None
    found = []
    for one in candidates:
        content = one.get("content")
        parts = content.get("parts") if isinstance(content, Mapping) else None
        found.append(_choice(*said_in(parts, "candidates.content.parts"), one.get("finishReason")))
    return found


def _of_ollama(row: Row) -> list[Row] | None:
    if "done" not in row:
        return None
    message = row.get("message")
    said, thought = row.get("response"), row.get("thinking")
    if isinstance(message, Mapping):
        said, thought = message.get("content"), message.get("thinking")
    return None if said is None else [_choice(said, thought or None, row.get("done_reason"))]


def _of_llama_cpp(row: Row) -> list[Row] | None:
    if not isinstance(row.get("content"), str) or not {"stop_type", "completion_probabilities"} & row.keys():
        return None
    entries = _items(row.get("completion_probabilities"))
    logprobs = {"content": entries} if entries and all("logprob" in one for one in entries) else None
    return [{"text": row["content"], "finish_reason": row.get("stop_type"), "logprobs": logprobs}]


def _of_tgi(row: Row) -> list[Row] | None:
    details = row.get("details")
    # Without them it may be a pipeline's, which writes the prompt before it.
    if not isinstance(row.get("generated_text"), str) or not isinstance(details, Mapping):
        return None
    tokens, tops = _items(details.get("tokens")), details.get("top_tokens")
    logprobs = None
    if tokens:
        entries = [{"token": one.get("text"), "logprob": one.get("logprob")} for one in tokens]
        if isinstance(tops, list) and len(tops) == len(entries):
            entries = [one | {"top_logprobs": top} for one, top in zip(entries, tops, strict=True)]
        logprobs = {"content": entries}
    return [{"text": row["generated_text"], "finish_reason": details.get("finish_reason"), "logprobs": logprobs}]


def _of_vllm(row: Row) -> list[Row] | None:
    outputs = _items(row.get("outputs"))
    if outputs is None or not all({"text", "token_ids"} <= one.keys() for one in outputs):
        return None
    return [
        {
            "text": one["text"],
            "finish_reason": one.get("finish_reason"),
            "own": {"token_ids": one["token_ids"], "prompt_ids": row.get("prompt_token_ids"), **_by_id(one)},
        }
        for one in outputs
    ]


def _by_id(output: Mapping[str, Any]) -> Row:
    """The log-probabilities of the tokens that were chosen, and of all that are given, where positions have such."""
    given, ids = output.get("logprobs"), output["token_ids"]
    if not isinstance(given, list) or not isinstance(ids, Sequence) or len(given) != len(ids):
        return {}
    if not all(isinstance(one, Mapping) for one in given):
        raise ValueError("`outputs.logprobs` should be an object for each token, by token ids")
    return {"logprobs": [one.get(str(token)) for one, token in zip(given, ids, strict=True)], "top_logprobs": given}
