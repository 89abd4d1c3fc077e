"""Read prompts and what was written after them in one pass: log-probabilities and states of every token.

The pass is cut into chunks that go on from each other's key-value cache, and the head is applied to a few hundred
states at a time: neither the attention of all tokens at once nor logits of them all are ever in memory. Short texts are
read several at a time, padded on the right, where under causal attention nothing that is kept can see the padding: so
weights are gone through once for all of them, and those of the head are cast to float32 once for a few hundred states.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ccps.core.errors import expected
from ccps.llm.decode import PAD
from ccps.llm.forward import Context, Prefix, check_finite, opened_cache
from ccps.llm.load import LanguageModel
from ccps.llm.norm_input import into_norm, norm_calls
from ccps.metrics.inputs import FloatArray
from ccps.perturbation import Head

Kept = Literal["pre_norm", "post_norm", "final", "context"]

_TOKENS_PER_BLOCK = 256


class TraceReading(NamedTuple):
    """What was read off the tokens that follow a prompt.

    Attributes:
        top_log_probs: `[tokens, k]` natural logarithms of the probabilities of the likeliest tokens at each position,
            best first, under the model as it is, neither tempered nor cut to a nucleus; from float32 logits.
        log_probs: `[tokens]` those of the tokens themselves.
        pre_norm: `[prompt + tokens, d]` what goes into the final norm at every token, in the model's dtype, on the CPU;
            None if it is not kept.
        post_norm: `[prompt + tokens, d]` what comes out of it, likewise.
        final: `[tokens, d]` final-normed states that predicted each token, in the model's dtype, on the CPU; None if
            they are not kept.
        context: to read on, after everything but the last token; None if it is not kept.
    """

    top_log_probs: FloatArray
    log_probs: FloatArray
    pre_norm: Tensor | None = None
    post_norm: Tensor | None = None
    final: Tensor | None = None
    context: Context | None = None


class Text(NamedTuple):
    """A prompt and what was written after it.

    Attributes:
        prompt: token ids, at least one.
        tokens: token ids of what was written after it, possibly none.
    """

    prompt: Sequence[int]
    tokens: Sequence[int]


class BatchReading(NamedTuple):
    """What was read off several texts at once.

    Attributes:
        traces: in the order of the texts; none has a context of its own.
        context: to read on in all of them, after everything but the last token of each; None if it is not kept.
    """

    traces: list[TraceReading]
    context: Context | None


class Start(NamedTuple):
    """What prompts begin with, read once for all of them; made by `read_start`.

    Attributes:
        prefix: its tokens and their key-value cache.
        pre_norm: `[tokens, d]` what goes into the final norm at each, in the model's dtype, on the CPU; None if it is
            not kept.
        post_norm: `[tokens, d]` what comes out of it, on the model's device, likewise.
    """

    prefix: Prefix
    pre_norm: Tensor | None
    post_norm: Tensor | None


@torch.inference_mode()
def read_start(
    lm: LanguageModel, tokens: Sequence[int], *, keep: Collection[Kept] = (), max_batch_tokens: int = 4096
) -> Start:
    """Read what prompts begin with.

    Args:
        lm: the model.
        tokens: token ids, at least one.
        keep: what will be wanted of the traces, see `read_batch`.
        max_batch_tokens: tokens that are read at once.

    Raises:
        UserError: a state is NaN or infinite, or the final norm is asked for and not found.
    """
    cache, states, pre_norm = _read(lm, [list(tokens)], max_batch_tokens, first=0, keep_pre_norm="pre_norm" in keep)
    check_finite(lm, [states[0]])
    return Start(
        Prefix(list(tokens), cache),
        None if pre_norm is None else pre_norm[0],
        states[0] if "post_norm" in keep else None,
    )


@torch.inference_mode()
def read_batch(
    lm: LanguageModel,
    texts: Sequence[Text],
    *,
    k: int,
    keep: Collection[Kept] = (),
    max_batch_tokens: int = 4096,
    head: Head | None = None,
    start: Start | None = None,
) -> BatchReading:
    """Read some prompts and the tokens after each, all of them at once.

    Args:
        lm: the model.
        texts: at least one; all are padded to the longest.
        k: how many of the likeliest tokens' log-probabilities are wanted at each position.
        keep: what else is wanted.
        max_batch_tokens: tokens that are read at once, of all texts together.
        head: the model's head, where the model is, for whoever reads many traces; put there anew if None.
        start: what the prompts begin with and go on after, if that has been read with the same `keep`.

    Raises:
        UserError: prompt and tokens do not fit the context window or are not the model's, a state is NaN or infinite,
            or the final norm is asked for and not found.
        ValueError: an empty prompt, or more alternatives than tokens in the vocabulary.
    """
    for text in texts:
        _check(lm, *text, k, "context" in keep)
    known = max(_known(text.prompt, start) for text in texts)
    rows = [[*text.prompt, *text.tokens][known:] for text in texts]
    # What predicts the first of the tokens; the last one is read only for its own states.
    firsts = [len(text.prompt) - 1 - known for text in texts]
    whole = "pre_norm" in keep or "post_norm" in keep
    skipped = 0 if "post_norm" in keep else min(firsts)
    cache, states, pre_norm = _read(
        lm,
        [row if whole else row[:-1] or row for row in rows],
        max_batch_tokens,
        first=skipped,
        keep_pre_norm="pre_norm" in keep,
        prefix=start.prefix if start else None,
    )
    check_finite(lm, [own[: len(row) - skipped] for own, row in zip(states, rows, strict=True)])
    finals = [
        own[place - skipped :][: len(text.tokens)] for own, place, text in zip(states, firsts, texts, strict=True)
    ]
    logs = _log_probs(finals, [text.tokens for text in texts], k, head or lm.head.to(lm.device))
    before = (start.pre_norm, start.post_norm) if start else (None, None)
    traces = [
        TraceReading(
            top_log_probs=top,
            log_probs=own,
            pre_norm=_joined(before[0], pre_norm[index, : len(row)]) if pre_norm is not None else None,
            post_norm=_joined(before[1], states[index, : len(row)]) if "post_norm" in keep else None,
            final=finals[index].to("cpu", copy=True) if "final" in keep else None,
        )
        for index, (row, (top, own)) in enumerate(zip(rows, logs, strict=True))
    ]
    return BatchReading(traces, _context(cache, known, rows) if "context" in keep else None)


def _context(cache: Any, known: int, rows: Sequence[Sequence[int]]) -> Context:
    """The cache with a mask over it: of each row all tokens count but the last."""
    places = known + max(map(len, rows)) - 1
    if cache.get_seq_length() > places:
        cache.crop(-1)
    return Context(cache, (torch.arange(places) < torch.tensor([[known + len(row) - 1] for row in rows])).long())


def _known(prompt: Sequence[int], start: Start | None) -> int:
    """How many tokens of a prompt have been read."""
    if start is None:
        return 0
    tokens = start.prefix.tokens
    if len(prompt) <= len(tokens) or list(prompt[: len(tokens)]) != tokens:
        raise ValueError(
            f"Expected `prompt` to begin with the {len(tokens)} tokens that have been read and to go on after them, "
            f"but got one of {len(prompt)} tokens that does not. Pass no `start`."
        )
    return len(tokens)


def _joined(before: Tensor | None, states: Tensor) -> Tensor:
    """States of what was read before, and a copy of those of the rest, on the CPU."""
    return states.to("cpu", copy=True) if before is None else torch.cat([before.cpu(), states.cpu()])


def _check(lm: LanguageModel, prompt: Sequence[int], tokens: Sequence[int], k: int, goes_on: bool) -> None:
    vocabulary = len(lm.head.weight)
    if not prompt:
        raise ValueError("Expected `prompt` to hold at least one token, but got none. Pass the ids of the prompt.")
    if not 1 <= k <= vocabulary:
        raise ValueError(f"Expected `k` to be between 1 and the {vocabulary} tokens of the vocabulary, but got {k}.")
    length = len(prompt) + len(tokens) + goes_on
    if length > lm.context_window:
        raise expected(
            f"a prompt with its trace to fit the context window of model `{lm.files.name}`, and its length",
            f"at most {lm.context_window} tokens",
            f"{length}",
            "Leave the trace out, or use a model with a longer window.",
        )
    largest = max(*prompt, *tokens, 0)
    if largest >= vocabulary:
        raise expected(
            f"the token ids of a trace for model `{lm.files.name}`",
            f"below {vocabulary}, as many as it has",
            f"{largest}",
            "It was written by another model: read it with that one.",
        )


def _read(
    lm: LanguageModel,
    rows: Sequence[Sequence[int]],
    max_batch_tokens: int,
    *,
    first: int,
    keep_pre_norm: bool,
    prefix: Prefix | None = None,
) -> tuple[Any, Tensor, Tensor | None]:
    """The cache of all rows, the final states `[rows, …, d]` from place `first` on, and what goes into the norm."""
    decoder = lm.model.get_decoder()
    cache = opened_cache(lm, prefix, len(rows))
    ids = torch.full((len(rows), max(map(len, rows))), PAD)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
    chunk = max(1, max_batch_tokens // len(rows))
    final: list[Tensor] = []
    pre_norm: list[Tensor] = []
    with norm_calls(lm, wanted=keep_pre_norm) as calls:
        for at, part in zip(range(0, ids.shape[1], chunk), ids.split(chunk, dim=1), strict=True):
            calls.clear()
            output = decoder(input_ids=part.to(lm.device), past_key_values=cache, use_cache=True).last_hidden_state
            final.append(output[:, max(0, first - at) :])
            if keep_pre_norm:
                pre_norm.append(into_norm(lm, calls, output).cpu())
    return cache, torch.cat(final, dim=1), torch.cat(pre_norm, dim=1) if keep_pre_norm else None


def _log_probs(
    finals: Sequence[Tensor], tokens: Sequence[Sequence[int]], k: int, head: Head
) -> list[tuple[FloatArray, FloatArray]]:
    """Of each text `[tokens, k]` of the likeliest and `[tokens]` of its own, from states of several texts at a time."""
    states = torch.cat(list(finals)).to(head.weight.device)
    drawn = torch.tensor([token for own in tokens for token in own], dtype=torch.long, device=states.device)
    top, own = [], []
    for part, ids in zip(states.split(_TOKENS_PER_BLOCK), drawn.split(_TOKENS_PER_BLOCK), strict=True):
        logits = head.logits(part)
        total = logits.logsumexp(dim=-1, keepdim=True)
        top.append((logits.topk(k, dim=-1).values - total).double().cpu())
        own.append((logits.gather(-1, ids[:, None]) - total)[:, 0].double().cpu())
    sizes = [len(one) for one in tokens]
    parts = zip(torch.cat(top).split(sizes), torch.cat(own).split(sizes), strict=True)
    return [(likeliest.numpy(), its_own.numpy()) for likeliest, its_own in parts]
