"""Lines of files that other tools write, as rows of our own layout (`ccps.reasoning.jsonl`).

    OpenAI, vLLM, SGLang chat completions     `choices[].message` with `content` and `reasoning_content` or `reasoning`,
                                              `logprobs.content`, `finish_reason`; a trace for each choice
    completions                               `choices[].text`, `logprobs.token_logprobs`, `logprobs.top_logprobs`
    batch output                              the same under `response.body`, `custom_id` as the id
    SGLang's own                              `text`, `output_ids`, `meta_info.finish_reason`, `.output_token_logprobs`
    replies in layouts of their own           see `ccps.reasoning.servers`
    lm-evaluation-harness samples             `resps` or `filtered_resps`, `doc`, `target`, a metric of 0 and 1

Log-probabilities stand for tokens, whose texts are there and not their ids. Where these texts, one after the other, are
the text of the trace, or end it, their places are known; else they are left out, and the trace says so.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ccps.reasoning.servers import as_completion, said_in

Row = dict[str, Any]

_METRICS = ("exact_match", "acc", "exact_match,strict-match", "exact_match,flexible-extract", "acc_norm")
# Special tokens: <|im_end|>, </s>, <end_of_turn>, <｜end▁of▁sentence｜>.
_SPECIAL = re.compile(r"<[^<>\s]+>")
# Keys of our layout that somebody may have added beside what the tool wrote.
_OURS = ("question_id", "question", "gold", "answer", "correct", "prompt")
_QUESTIONS = ("question", "problem", "query", "input")


def own_rows(row: Row) -> Iterator[Row]:
    """The rows of our layout that a line stands for: itself, or those of another tool's layout.

    Raises:
        ValueError: it is of a known layout, but not as that tool writes it.
    """
    if isinstance(row.get("meta_info"), Mapping):
        yield _of_sglang(row)
    elif row.get("text") is not None:
        yield row
    elif isinstance(row.get("response"), Mapping) and isinstance(row["response"].get("body"), Mapping):
        body, beside = row["response"]["body"], {key: row[key] for key in _OURS if key in row}
        reply = {**beside, **body, "id": row.get("custom_id", body.get("id"))}
        yield from _completions(as_completion(reply) or reply)
    elif isinstance(row.get("choices"), list):
        yield from _completions(row)
    elif (reply_of_another := as_completion(row)) is not None:
        yield from _completions(reply_of_another)
    elif "resps" in row or "filtered_resps" in row:
        yield from _samples(row)
    elif "text" in row:
        yield row
    else:
        raise ValueError("no `text`, nor what a tool that is known here writes (docs/faithful.md lists them)")


def _of_sglang(row: Row) -> Row:
    meta = row["meta_info"]
    own = {"id": meta.get("id"), "ended": meta.get("finish_reason"), "token_ids": row.get("output_ids")}
    entries = meta.get("output_token_logprobs")
    if isinstance(entries, list) and all(isinstance(one, list) and len(one) >= 2 for one in entries):
        own |= {"logprobs": [one[0] for one in entries], "token_ids": [one[1] for one in entries]}
    alternatives = meta.get("output_top_logprobs")
    if isinstance(alternatives, list) and any(alternatives):
        if not all(one is None or (isinstance(one, list) and all(map(_is_entry, one))) for one in alternatives):
            raise ValueError("`meta_info.output_top_logprobs` should be lists of [logarithm, token id, text]")
        own["top_logprobs"] = [one and [other[0] for other in one] for one in alternatives]
    return {"text": None} | own | row


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) > 0


def _completions(row: Row) -> Iterator[Row]:
    choices = row.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ValueError("`choices` is empty" if choices == [] else "no `choices`, as where a request has failed")
    for place, choice in enumerate(choices):
        if not isinstance(choice, Mapping):
            raise ValueError(f"`choices.{place}` should be an object")
    # Servers send them as they end; their index is what tells them apart.
    indices = [choice.get("index") for choice in choices]
    if all(type(index) is int for index in indices) and len(set(indices)) == len(indices):
        choices = sorted(choices, key=lambda choice: choice["index"])
    for place, choice in enumerate(choices):
        name = row.get("id")
        own: Row = {key: row[key] for key in _OURS if key in row}
        if name is not None:
            own["id"] = name if place == 0 else f"{name}#{place + 1}"
        if len(choices) > 1 and "correct" in own:
            own["correct"] = _own_part(own["correct"], place, len(choices))
        own["ended"] = choice.get("finish_reason")
        message = choice.get("message")
        text = _said(message, place, own["ended"]) if isinstance(message, Mapping) else choice.get("text")
        if text is not None and not isinstance(text, str):
            raise ValueError(f"`choices.{place}.text` should be text")
        yield own | {"text": text} | (choice.get("own") or _probabilities(text, choice.get("logprobs")))


def _own_part(correct: object, place: int, n: int) -> object:
    """Whether the answer of one of several choices is right; one word for all of them is that of nobody knows which."""
    if isinstance(correct, list):
        if len(correct) != n:
            raise ValueError(f"`correct` should have one entry for each of the {n} choices, but has {len(correct)}")
        return correct[place]
    return None


def _said(message: Mapping[str, Any], place: int, ended: object) -> str | None:
    """What a message says: its reasoning between think tags, then its content; a thought that is cut off stays open."""
    content, thought = said_in(message.get("content"), f"choices.{place}.message.content")
    reasoning = message.get("reasoning_content") or message.get("reasoning") or thought
    if not reasoning and message.get("reasoning_details"):  # of OpenRouter
        reasoning = _detailed(message["reasoning_details"], place)
    for name, value in (("content", content), ("reasoning", reasoning)):
        if value is not None and not isinstance(value, str):
            raise ValueError(f"`choices.{place}.message.{name}` should be text")
    if not reasoning:
        return content
    if not content and ended == "length":
        return f"<think>\n{reasoning.strip()}"
    return f"<think>\n{reasoning.strip()}\n</think>\n\n{content or ''}"


def _detailed(details: object, place: int) -> str | None:
    where = f"choices.{place}.message.reasoning_details"
    listed = details if isinstance(details, list) else []
    if any(isinstance(one, Mapping) and one.get("type") == "reasoning.summary" for one in listed):
        raise ValueError(f"`{where}` holds a summary of the reasoning and not the reasoning: leave it out")
    texts = (one for one in listed if isinstance(one, Mapping) and one.get("type") == "reasoning.text")
    return said_in([{**one, "type": "reasoning"} for one in texts], where)[1]


def _probabilities(text: str | None, logprobs: object) -> Row:
    """Offsets and log-probabilities of the tokens, where it is known where they stand."""
    if logprobs is not None and not isinstance(logprobs, Mapping):
        raise ValueError("`logprobs` should be an object with `content` or `token_logprobs`")
    if logprobs is None or not text:
        return {}
    if isinstance(logprobs.get("content"), list):
        entries = logprobs["content"]
        tokens = _texts_of(entries)
        values = [one.get("logprob") if isinstance(one, Mapping) else None for one in entries]
        alternatives = [one.get("top_logprobs") if isinstance(one, Mapping) else None for one in entries]
    elif isinstance(logprobs.get("token_logprobs"), list):
        tokens, values = logprobs.get("tokens") or [], logprobs["token_logprobs"]
        alternatives = logprobs.get("top_logprobs") or []
        if not isinstance(alternatives, list):
            raise ValueError("`logprobs.top_logprobs` should be a list with the alternatives of each position")
    else:
        return {}
    found: Row = {"logprobs": values}
    if any(alternatives):
        found["top_logprobs"] = alternatives
    offsets = _offsets(text, tokens)
    if offsets is None:
        return {"misaligned": "the texts of the tokens are not the text of the trace"}
    return found | {"offsets": offsets}


def _texts_of(entries: Sequence[Any]) -> list[Any]:
    """The texts of tokens; of those that hold parts of characters, which have no text, what each adds to it.

    `bytes` says what such a token is; its `token` is a stand-in for it.
    """
    given = [one if isinstance(one, Mapping) else {} for one in entries]
    tokens = [one.get("token") for one in given]
    raw = [_bytes(one.get("bytes")) for one in given]
    if not raw or None in raw:
        return tokens
    read, before, texts = b"", "", []
    for part in raw:
        read += part or b""
        whole = read.decode(errors="ignore")
        texts.append(whole[len(before) :])
        before = whole
    return texts if read.decode(errors="replace") == before else tokens


def _bytes(values: object) -> bytes | None:
    try:
        return bytes(values) if isinstance(values, list) else None
    except (TypeError, ValueError):
        return None


def _offsets(text: str, tokens: Sequence[Any]) -> list[list[int]] | None:
    """Where tokens stand whose texts make up the end of a text; None if they do not.

    Servers leave the token that ends a turn out of the text, and may give it among the tokens: it has no width.
    """
    if not tokens or not all(isinstance(token, str) for token in tokens):
        return None
    if _SPECIAL.fullmatch(tokens[-1]) and not text.endswith(tokens[-1]):
        tokens = [*tokens[:-1], ""]
    joined = "".join(tokens)
    if not text.endswith(joined):
        return None
    start, spans = len(text) - len(joined), []
    for token in tokens:
        spans.append([start, start + len(token)])
        start += len(token)
    return spans


def _samples(row: Row) -> Iterator[Row]:
    doc = row.get("doc") if isinstance(row.get("doc"), Mapping) else {}
    assert isinstance(doc, Mapping)
    question = next((doc[name] for name in _QUESTIONS if isinstance(doc.get(name), str)), None)
    scores = [row[name] for name in _METRICS if name in row]
    name = row.get("doc_id")
    replies = _flat(row["resps"] if "resps" in row else row["filtered_resps"])
    for place, reply in enumerate(replies):
        own: Row = {"text": reply, "question": question, "gold": row.get("target")}
        if name is not None:
            own |= {"question_id": name, "id": name if place == 0 else f"{name}#{place + 1}"}
        # A metric of a document with several replies is that of one of them, nobody says of which.
        yield own | ({"correct": scores[0]} if scores and len(replies) == 1 else {})


def _flat(replies: object) -> list[str]:
    """All texts of a list of lists of texts."""
    if isinstance(replies, str):
        return [replies]
    if isinstance(replies, list) and len(replies) == 2 and str(replies[1]) in ("True", "False"):
        raise ValueError("`resps` holds likelihoods of options and no text that was generated")
    if not isinstance(replies, list) or not replies:
        raise ValueError("`resps` should be a list of lists of texts")
    return [text for one in replies for text in _flat(one)]
