"""Greedy generation that keeps the state from which each token was predicted, so that answering is extracting too."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ccps.llm.forward import Context, Prefix, check_finite, copied_cache
from ccps.llm.load import LanguageModel


class Generated(NamedTuple):
    """What a model wrote after one prompt.

    Attributes:
        tokens: generated token ids, without the token that ends the turn.
        states: `[tokens, d]` final-normed states that predicted them, in the model's dtype, on its device.
        ended: whether the model ended its turn; if not, it was cut off at the limit.
    """

    tokens: list[int]
    states: Tensor
    ended: bool


class Written(NamedTuple):
    """What a model wrote after each prompt of a batch.

    Attributes:
        answers: in the order of the prompts.
        context: to read on, after everything but the last token of each answer; None unless it was asked for.
    """

    answers: list[Generated]
    context: Context | None


def generate(
    lm: LanguageModel, prompts: Sequence[Sequence[int]], max_new_tokens: int, prefix: Prefix | None = None
) -> list[Generated]:
    """Continue each prompt with the most probable token, again and again, see `write`."""
    return write(lm, prompts, max_new_tokens, prefix).answers


@torch.inference_mode()
def write(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    prefix: Prefix | None = None,
    *,
    keep_context: bool = False,
) -> Written:
    """Continue each prompt with the most probable token, again and again (CCPS, arXiv 2505.21772: at most 30).

    The states are caught at the head's input while `transformers` generates, so they cost nothing: no second pass, no
    hidden states of other layers or of the prompt. Nothing of the checkpoint's sampling settings applies (temperature,
    repetition penalty); of its generation config only the tokens that end a turn do.

    Args:
        lm: the model.
        prompts: token ids; all begin with the prefix and go on after it.
        max_new_tokens: after so many tokens an answer is cut off.
        prefix: tokens that all prompts share, already computed.
        keep_context: whether the answers are to be read on, see `ccps.llm.follow`.

    Returns:
        What was written after each prompt; a model may end its turn at once and write nothing.

    Raises:
        UserError: a state is NaN or infinite.
    """
    from transformers import DynamicCache, GenerationConfig

    ids, mask = padded(prompts, [prefix.length if prefix else 0] * len(prompts))
    cache = copied_cache(prefix, len(prompts))
    if cache is None and keep_context:
        cache = DynamicCache(config=lm.model.config)
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=list(lm.end_tokens) or None,
        pad_token_id=PAD,
    )
    with _inputs_of(lm.model.get_output_embeddings()) as caught:
        written = lm.model.generate(
            input_ids=ids.to(lm.device),
            attention_mask=mask.to(lm.device),
            past_key_values=cache,
            generation_config=config,
        )[:, ids.shape[1] :]
    # On a GPU the library may start one step more than it keeps.
    states = torch.stack(caught[: written.shape[1]], dim=1)
    answers = [_until_end(row, own, lm.end_tokens) for row, own in zip(written.tolist(), states, strict=True)]
    check_finite(lm, [answer.states for answer in answers])
    return Written(answers, _context(cache, mask, answers) if keep_context else None)


def _context(cache: Any, prompts: Tensor, answers: Sequence[Generated]) -> Context:
    """The cache with a mask over it: of what was written, all tokens count but the last of each answer."""
    mask = torch.zeros(len(answers), cache.get_seq_length(), dtype=torch.long)
    width = prompts.shape[1]
    mask[:, :width] = prompts
    for row, answer in enumerate(answers):
        mask[row, width : width + len(answer.tokens) - 1] = 1
    return Context(cache, mask)


# Padding is masked and cut off, so its id does not matter; it need not even be a padding token of the tokenizer.
PAD = 0


def padded(prompts: Sequence[Sequence[int]], at_left: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Token ids and mask `[prompts, width]`, with padding inside each row.

    Generation goes on at the right end, so all prompts must end there; what is cached must stand where its cache has
    it, at the left.

    Args:
        prompts: token ids.
        at_left: how many tokens of each prompt stand at the left; the others follow the padding.
    """
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), PAD)
    mask = torch.zeros_like(ids)
    for row, (prompt, cut) in enumerate(zip(prompts, at_left, strict=True)):
        right = width - (len(prompt) - cut)
        for place, tokens in ((slice(0, cut), prompt[:cut]), (slice(right, width), prompt[cut:])):
            ids[row, place] = torch.tensor(list(tokens), dtype=torch.long)
            mask[row, place] = 1
    return ids, mask


@contextmanager
def _inputs_of(head: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what the head is given at the last position, call by call: `[rows, d]` each.

    The head gets it back as a contiguous tensor. After the prompt it is a slice of all positions otherwise, and for
    such a slice torch multiplies batch by batch, with a copy of the whole head for each row of the batch.
    """
    caught: list[Tensor] = []

    def catch(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        last = arguments[0][:, -1:].clone(memory_format=torch.contiguous_format)
        caught.append(last[:, 0])
        return (last, *arguments[1:])

    handle = head.register_forward_pre_hook(catch)
    try:
        yield caught
    finally:
        handle.remove()


def _until_end(tokens: list[int], states: Tensor, end_tokens: Sequence[int]) -> Generated:
    end = next((place for place, token in enumerate(tokens) if token in end_tokens), None)
    return Generated(tokens[:end], states[:end].clone(), ended=end is not None)
