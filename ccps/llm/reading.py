"""Read prompts and what was written after them in one pass: log-probabilities of every token, and what states tell.

The pass is cut into chunks that go on from each other's key-value cache, and the head is applied to a few hundred
states at a time: neither the attention of all tokens at once nor logits of them all are ever in memory. States are
handed to those who take them chunk by chunk, and are gone unless these keep them. Short texts are
read several at a time, padded on the right, where under causal attention nothing that is kept can see the padding: so
weights are gone through once for all of them, and those of the head are cast to float32 once for a few hundred states.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ccps.core.errors import expected
from ccps.llm.forward import Context, Prefix, check_finite, opened_cache, read_columns
from ccps.llm.load import LanguageModel
from ccps.llm.norm_input import Call, into_norm, norm_calls
from ccps.llm.taking import STATE_NAMES, Keeper, LogProbs, StateName, Takers
from ccps.metrics.inputs import FloatArray
from ccps.perturbation import Head

Kept = Literal["pre_norm", "post_norm", "final", "context"]


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
        numbers: what else was made of the states while they were read, by name; nothing as `read_batch` returns it.
    """

    top_log_probs: FloatArray
    log_probs: FloatArray
    pre_norm: Tensor | None = None
    post_norm: Tensor | None = None
    final: Tensor | None = None
    numbers: Mapping[str, Tensor] = MappingProxyType({})


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
        traces: in the order of the texts.
        context: to read on in all of them, after everything but the last token of each; None if it is not kept.
    """

    traces: list[TraceReading]
    context: Context | None


class Start(NamedTuple):
    """What prompts begin with, read once for all of them; made by `read_start`.

    Attributes:
        prefix: its tokens and their key-value cache.
        pre_norm: `[tokens, d]` what goes into the final norm at each, in the model's dtype, on its device; None if it
            is not kept.
        post_norm: `[tokens, d]` what comes out of it, likewise.
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
        keep: what will be wanted of the traces, see `read_batch`, whether to be kept or to be taken.
        max_batch_tokens: tokens that are read at once.

    Raises:
        UserError: a state is NaN or infinite, or the final norm is asked for and not found.
    """
    cache = opened_cache(lm, None, 1)
    states: dict[StateName, list[Tensor]] = {"pre_norm": [], "post_norm": []}
    with norm_calls(lm, wanted="pre_norm" in keep) as calls:
        for _, output in read_columns(lm, [list(tokens)], cache, max_batch_tokens):
            check_finite(lm, [output[0]])
            for name, chunk in _given(lm, calls, output, keep).items():
                states[name].append(chunk[0])
            calls.clear()
    pre_norm, post_norm = (torch.cat(states[name]) if name in keep else None for name in ("pre_norm", "post_norm"))
    return Start(Prefix(list(tokens), cache), pre_norm, post_norm)


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
    takers: Sequence[Takers] | None = None,
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
        takers: of each text, who is given its states as they come; all of them want the same.

    Raises:
        UserError: prompt and tokens do not fit the context window or are not the model's, a state is NaN or infinite,
            or the final norm is asked for and not found.
        ValueError: an empty prompt, or more alternatives than tokens in the vocabulary.
    """
    for text in texts:
        _check(lm, *text, k, "context" in keep)
    known = max(_known(text.prompt, start) for text in texts)
    rows = [[*text.prompt, *text.tokens][known:] for text in texts]
    keepers = [{name: Keeper() for name in STATE_NAMES if name in keep} for _ in texts]
    everyone = [
        {name: [*own.get(name, ()), *([keeper[name]] if name in keeper else [])] for name in STATE_NAMES}
        for own, keeper in zip(takers or [{}] * len(texts), keepers, strict=True)
    ]
    wanted = {name for own in everyone for name, some in own.items() if some}
    whole = bool({"pre_norm", "post_norm"} & wanted)
    # The last token is read only for its own states.
    read = [row if whole else row[:-1] or row for row in rows]
    cache = opened_cache(lm, start.prefix if start else None, len(rows))
    logs = LogProbs(k, head or lm.head.to(lm.device), [text.tokens for text in texts])
    if start is not None:
        for own in everyone:
            _hand(own, "pre_norm", start.pre_norm)
            _hand(own, "post_norm", start.post_norm)
    with norm_calls(lm, wanted="pre_norm" in wanted) as calls:
        for at, output in read_columns(lm, read, cache, max(1, max_batch_tokens // len(rows))):
            # What predicts the first of the tokens stands before it.
            places = [len(text.prompt) - 1 - known - at for text in texts]
            finals = [
                own[max(0, place) : max(0, place + len(text.tokens))]
                for own, place, text in zip(output, places, texts, strict=True)
            ]
            check_finite(lm, [own[: max(0, len(row) - at)] for own, row in zip(output, read, strict=True)])
            logs.take(finals)
            given = _given(lm, calls, output, wanted)
            calls.clear()
            for index, own in enumerate(everyone):
                for name, states in given.items():
                    _hand(own, name, states[index, : max(0, len(rows[index]) - at)])
                _hand(own, "final", finals[index])
    kept = [{name: keeper.states() for name, keeper in own.items()} for own in keepers]
    traces = [
        TraceReading(top, its_own, states.get("pre_norm"), states.get("post_norm"), states.get("final"))
        for (top, its_own), states in zip(logs.found(), kept, strict=True)
    ]
    return BatchReading(traces, _context(cache, known, rows) if "context" in keep else None)


def _given(
    lm: LanguageModel, calls: Sequence[Call], output: Tensor, wanted: Collection[str]
) -> dict[StateName, Tensor]:
    """What is wanted of the states of every token, `[rows, columns, d]`."""
    given: dict[StateName, Tensor] = {}
    if "pre_norm" in wanted:
        given["pre_norm"] = into_norm(lm, calls, output)
    if "post_norm" in wanted:
        given["post_norm"] = output
    return given


def _hand(takers: Takers, name: StateName, states: Tensor | None) -> None:
    """Give states to those who take them."""
    for taker in takers[name]:
        if states is None:
            raise ValueError(f"Expected `start` to have been read with `{name}` to be kept, but it was not.")
        taker.take(states)


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
