"""Read a prompt and what was written after it in one pass: log-probabilities and states of every token.

The pass is cut into chunks that go on from each other's key-value cache, and the head is applied to a few hundred
states at a time: neither the attention of all tokens at once nor logits of them all are ever in memory.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ccps.core.errors import UserError, expected
from ccps.llm.forward import Context, Prefix, check_finite, opened_cache
from ccps.llm.load import LanguageModel
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
        keep: what will be wanted of the traces, see `read_trace`.
        max_batch_tokens: tokens that are read at once.

    Raises:
        UserError: a state is NaN or infinite, or the final norm is asked for and not found.
    """
    cache, states, pre_norm = _read(
        lm, torch.tensor(list(tokens)), max_batch_tokens, first=0, keep_pre_norm="pre_norm" in keep
    )
    check_finite(lm, [states])
    return Start(Prefix(list(tokens), cache), pre_norm, states if "post_norm" in keep else None)


@torch.inference_mode()
def read_trace(
    lm: LanguageModel,
    prompt: Sequence[int],
    tokens: Sequence[int],
    *,
    k: int,
    keep: Collection[Kept] = (),
    max_batch_tokens: int = 4096,
    head: Head | None = None,
    start: Start | None = None,
) -> TraceReading:
    """Read a prompt and the tokens after it.

    Args:
        lm: the model.
        prompt: token ids, at least one.
        tokens: token ids of what was written after it, possibly none.
        k: how many of the likeliest tokens' log-probabilities are wanted at each position.
        keep: what else is wanted.
        max_batch_tokens: tokens that are read at once.
        head: the model's head, where the model is, for whoever reads many traces; put there anew if None.
        start: what the prompt begins with and goes on after, if that has been read with the same `keep`.

    Raises:
        UserError: prompt and tokens do not fit the context window or are not the model's, a state is NaN or infinite,
            or the final norm is asked for and not found.
        ValueError: an empty prompt, or more alternatives than tokens in the vocabulary.
    """
    _check(lm, prompt, tokens, k, "context" in keep)
    known = _known(prompt, start)
    ids = torch.tensor([*prompt, *tokens][known:])
    # What predicts the first of the tokens; the last one is read only for its own states.
    first = len(prompt) - 1 - known
    whole = "pre_norm" in keep or "post_norm" in keep or len(ids) == 1
    cache, states, pre_norm = _read(
        lm,
        ids if whole else ids[:-1],
        max_batch_tokens,
        first=0 if "post_norm" in keep else first,
        keep_pre_norm="pre_norm" in keep,
        prefix=start.prefix if start else None,
    )
    check_finite(lm, [states])
    final = states[first if "post_norm" in keep else 0 :][: len(tokens)]
    top, own = _log_probs(final.to(lm.device), tokens, k, head or lm.head.to(lm.device))
    if whole and "context" in keep:
        cache.crop(-1)
    return TraceReading(
        top_log_probs=top,
        log_probs=own,
        pre_norm=_joined(start.pre_norm if start else None, pre_norm),
        post_norm=_joined(start.post_norm if start else None, states) if "post_norm" in keep else None,
        final=final.to("cpu", copy=True) if "final" in keep else None,
        context=Context(cache, torch.ones(1, known + len(ids) - 1, dtype=torch.long)) if "context" in keep else None,
    )


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


def _joined(before: Tensor | None, states: Tensor | None) -> Tensor | None:
    """States of what was read before, and of the rest, on the CPU."""
    if states is None:
        return None
    return states.cpu() if before is None else torch.cat([before.cpu(), states.cpu()])


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
    lm: LanguageModel, ids: Tensor, chunk: int, *, first: int, keep_pre_norm: bool, prefix: Prefix | None = None
) -> tuple[Any, Tensor, Tensor | None]:
    """The cache of all ids, the final states from place `first` on, and what goes into the final norm at each."""
    decoder = lm.model.get_decoder()
    cache = opened_cache(lm, prefix, 1)
    final: list[Tensor] = []
    pre_norm: list[Tensor] = []
    with _calls_of(_possible_norms(decoder) if keep_pre_norm else []) as calls:
        for start, part in zip(range(0, len(ids), chunk), ids.split(chunk), strict=True):
            calls.clear()
            output = decoder(
                input_ids=part[None].to(lm.device), past_key_values=cache, use_cache=True
            ).last_hidden_state
            final.append(output[0, max(0, first - start) :])
            if keep_pre_norm:
                pre_norm.append(_into_norm(lm, calls, output)[0].cpu())
    return cache, torch.cat(final), torch.cat(pre_norm) if keep_pre_norm else None


def _log_probs(final: Tensor, tokens: Sequence[int], k: int, head: Head) -> tuple[FloatArray, FloatArray]:
    top, own = [], []
    ids = torch.tensor(list(tokens), dtype=torch.long, device=final.device)
    for states, drawn in zip(final.split(_TOKENS_PER_BLOCK), ids.split(_TOKENS_PER_BLOCK), strict=True):
        logits = head.logits(states)
        total = logits.logsumexp(dim=-1, keepdim=True)
        top.append((logits.topk(k, dim=-1).values - total).double().cpu())
        own.append((logits.gather(-1, drawn[:, None]) - total)[:, 0].double().cpu())
    return torch.cat(top).numpy(), torch.cat(own).numpy()


class _Call(NamedTuple):
    """What a module was given and what it gave back."""

    given: Tensor
    result: Tensor


@contextmanager
def _calls_of(modules: Sequence[nn.Module]) -> Iterator[list[_Call]]:
    """Collect the calls of some modules that turn one tensor into another, in their order."""
    calls: list[_Call] = []

    def catch(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], result: Any) -> None:
        given = arguments[0] if arguments else named.get("hidden_states")
        if isinstance(given, Tensor) and isinstance(result, Tensor):
            calls.append(_Call(given, result))

    handles = [module.register_forward_hook(catch, with_kwargs=True) for module in modules]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _possible_norms(decoder: nn.Module) -> list[nn.Module]:
    """The decoder's own modules without matrices: the final norm is among them, whatever it is called."""
    return [
        module
        for module in decoder.children()
        if not isinstance(module, nn.ModuleList) and all(parameter.dim() < 2 for parameter in module.parameters())
    ]


def _into_norm(lm: LanguageModel, calls: Sequence[_Call], output: Tensor) -> Tensor:
    """What went into the module that gave back what the decoder did.

    Raises:
        UserError: no module did.
    """
    for call in calls:
        if call.given.shape == output.shape and torch.equal(call.result.to(output.device), output):
            return call.given
    raise _no_norm(lm)


def _no_norm(lm: LanguageModel) -> UserError:
    return expected(
        f"the decoder of model `{lm.files.name}`",
        "one that ends with a norm of its last layer's states",
        f"{type(lm.model.get_decoder()).__name__}, of which no module gives what the decoder gives",
        "Leave out the estimator `rcc`, or have it read the states after the norm (hidden=post_norm).",
    )
