"""Greedy generation that keeps the state from which each token was predicted, so that answering is extracting too."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ccps.llm.between import caught_between
from ccps.llm.decode import CachedRows, DecodedRow, padded, steps
from ccps.llm.forward import Context, Prefix, check_finite, opened_cache
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


class Step(NamedTuple):
    """What stands after some prompts so far.

    Attributes:
        tokens: of each row, the one that ends a turn left out.
        states: `[rows, d]`, which predicted the last one.
        ended: of each row, whether the model has ended its turn.
    """

    tokens: list[list[int]]
    states: Tensor
    ended: list[bool]


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


def write(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    prefix: Prefix | None = None,
    *,
    keep_context: bool = False,
    sum_layer: int | None = None,
) -> Written:
    """Continue each prompt with the most probable token, again and again (CCPS, arXiv 2505.21772: at most 30).

    The states come from the same pass, so they cost nothing: no second pass, no hidden states of other layers or of the
    prompt. Nothing of the checkpoint's sampling settings applies (temperature, repetition penalty); of its generation
    config only the tokens that end a turn do.

    Args:
        lm: the model.
        prompts: token ids; all begin with the prefix and go on after it.
        max_new_tokens: after so many tokens an answer is cut off.
        prefix: tokens that all prompts share, already computed.
        keep_context: whether the answers are to be read on, see `ccps.llm.follow`.
        sum_layer: the entry of the model's hidden states that is summed over each answer, see `Context`.

    Returns:
        What was written after each prompt; a model may end its turn at once and write nothing.

    Raises:
        UserError: a state is NaN or infinite.
    """
    writes = writing(lm, prompts, max_new_tokens, prefix, keep_context=keep_context, sum_layer=sum_layer)
    while True:
        try:
            next(writes)
        except StopIteration as end:
            written: Written = end.value
            return written


@torch.inference_mode()
def writing(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    prefix: Prefix | None = None,
    *,
    keep_context: bool = False,
    sum_layer: int | None = None,
) -> Generator[Step, None, Written]:
    """Write as `write` does, and stop after each token; between two of them no hook is on the model.

    Yields:
        What was chosen, for every row.

    Returns:
        What `write` returns.
    """
    ids, mask = padded(prompts, [prefix.length if prefix else 0] * len(prompts))
    batch = CachedRows(lm, ids, mask, opened_cache(lm, prefix, len(prompts)))
    rows, caught = [DecodedRow() for _ in prompts], []

    def choose(states: Tensor, _: Sequence[DecodedRow]) -> list[int]:
        caught.append(states)
        tokens: list[int] = lm.own_logits(states).float().argmax(dim=-1).tolist()
        return tokens

    between: list[Tensor] = []

    def read(tokens: Sequence[int]) -> Tensor:
        with caught_between(lm, [] if sum_layer is None else [sum_layer]) as last_read:
            states = batch.read(tokens)
        between.extend(states_between[:, -1] for states_between in last_read.values())
        return states

    for _ in steps(rows, batch.begin(), read, choose, max_new_tokens, lm.end_tokens):
        yield Step([row.tokens for row in rows], caught[-1], [row.ended for row in rows])
    answers = [
        Generated(row.tokens, own[: len(row.tokens)].clone(), row.ended)
        for row, own in zip(rows, torch.stack(caught, dim=1), strict=True)
    ]
    check_finite(lm, [answer.states for answer in answers])
    if not keep_context:
        return Written(answers, None)
    context = _context(batch.cache, mask, answers)
    if sum_layer is not None:
        context = context._replace(summed=_summed(between, answers, like=answers[0].states))
    return Written(answers, context)


def _summed(between: Sequence[Tensor], answers: Sequence[Generated], like: Tensor) -> Tensor:
    """Sums `[rows, d]` over the tokens that count: all but the last of each answer, which may have been read or not."""
    sums = torch.zeros(len(answers), like.shape[1], device=like.device)
    for step, states in enumerate(between):
        counts = [step < len(answer.tokens) - 1 for answer in answers]
        sums += states.float() * torch.tensor(counts, device=like.device)[:, None]
    return sums


def _context(cache: Any, prompts: Tensor, answers: Sequence[Generated]) -> Context:
    """The cache with a mask over it: of what was written, all tokens count but the last of each answer."""
    mask = torch.zeros(len(answers), cache.get_seq_length(), dtype=torch.long)
    width = prompts.shape[1]
    mask[:, :width] = prompts
    for row, answer in enumerate(answers):
        mask[row, width : width + len(answer.tokens) - 1] = 1
    return Context(cache, mask)
