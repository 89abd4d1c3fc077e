"""One forward pass over prompts and answers that keeps only the states from which answer tokens were predicted.

Only the final-normed states of the positions asked for leave the decoder: logits of prompt tokens are never computed.
What all passages begin with is not read again (`ccps.llm.batch`).
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ccps.core.errors import UserError
from ccps.llm.between import caught_between
from ccps.llm.load import LanguageModel

CHUNK = 1024
"""Columns that are read at a time where texts may be long, which bounds memory."""


class Passage(NamedTuple):
    """What is read in one go: a prompt and the answer tokens that follow it.

    Attributes:
        prompt: token ids of the prompt.
        answer: token ids of the answer; empty to ask for the state that predicts the first answer token.
    """

    prompt: Sequence[int]
    answer: Sequence[int] = ()

    @property
    def read(self) -> list[int]:
        """The tokens the model must read: the last answer token is predicted, never read."""
        return [*self.prompt, *self.answer[:-1]]

    @property
    def n_states(self) -> int:
        """How many states the passage yields: one for each answer token, and one if there is no answer yet."""
        return max(1, len(self.answer))


class Prefix(NamedTuple):
    """Tokens that every passage begins with, and their key-value cache for one row."""

    tokens: list[int]
    cache: Any

    @property
    def length(self) -> int:
        """How many tokens."""
        return len(self.tokens)


class Context(NamedTuple):
    """What a batch has read so far, from which it can be read on.

    Attributes:
        cache: its key-value cache.
        mask: `[rows, places]`, 1 where the cache holds a token of the row, 0 where it holds padding.
        summed: `[rows, d]` float32, states at one layer, summed over the answer tokens that were read; None unless a
            layer was asked for.
    """

    cache: Any
    mask: Tensor
    summed: Tensor | None = None


class Read(NamedTuple):
    """A batch of passages, read.

    Attributes:
        states: for each passage `[n_states, d]` in the model's dtype, on the model's device.
        context: to read on, after everything but the last answer token; None unless it was asked for.
    """

    states: list[Tensor]
    context: Context | None


@torch.inference_mode()
def compute_prefix(lm: LanguageModel, tokens: Sequence[int]) -> Prefix | None:
    """Run the shared tokens once and keep their cache; None if there are none."""
    if not tokens:
        return None
    ids = torch.tensor([list(tokens)], device=lm.device)
    return Prefix(list(tokens), lm.model.get_decoder()(input_ids=ids, use_cache=True).past_key_values)


def final_states(lm: LanguageModel, passages: Sequence[Passage], prefix: Prefix | None = None) -> list[Tensor]:
    """Compute the states that predict each answer token, see `read`."""
    return read(lm, passages, prefix).states


@torch.inference_mode()
def read(
    lm: LanguageModel,
    passages: Sequence[Passage],
    prefix: Prefix | None = None,
    *,
    keep_context: bool = False,
    sum_layer: int | None = None,
) -> Read:
    """Compute the final-normed states that predict each answer token, in one batch.

    Rows are padded on the right by this function itself (the tokenizer's padding side has no say): under causal
    attention nothing that is kept can see the padding, so no mask is needed.

    Args:
        lm: the model.
        passages: what to read; all begin with the prefix.
        prefix: the shared tokens, already computed.
        keep_context: whether the batch is to be read on, see `ccps.llm.follow`.
        sum_layer: the entry of the model's hidden states that is summed over the answer, see `Context`.

    Raises:
        UserError: a state is NaN or infinite.
        ValueError: a passage has no prompt, does not begin with the prefix, or has no prompt token beyond it.
    """
    shared = prefix.tokens if prefix else []
    rows = [_own_tokens(passage, shared) for passage in passages]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros(len(rows), len(shared) + ids.shape[1], dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(shared) + len(row)] = 1
    with caught_between(lm, [] if sum_layer is None else [sum_layer]) as caught:
        output = lm.model.get_decoder()(
            input_ids=ids.to(lm.device),
            past_key_values=copied_cache(prefix, len(rows)),
            use_cache=prefix is not None or keep_context,
        )
    states = [
        output.last_hidden_state[index, len(row) - passage.n_states : len(row)].clone()
        for index, (row, passage) in enumerate(zip(rows, passages, strict=True))
    ]
    check_finite(lm, states)
    if not keep_context:
        return Read(states, None)
    ends = zip(caught[sum_layer], rows, passages, strict=True) if sum_layer is not None else ()
    sums = [between[len(row) - passage.n_states + 1 : len(row)].float().sum(dim=0) for between, row, passage in ends]
    return Read(states, Context(output.past_key_values, mask, torch.stack(sums) if sums else None))


def copied_cache(prefix: Prefix | None, rows: int) -> Any:
    """The cache of the shared tokens for a batch of its own; None if there are none."""
    if prefix is None:
        return None
    cache = copy.deepcopy(prefix.cache)
    cache.batch_repeat_interleave(rows)
    return cache


def opened_cache(lm: LanguageModel, prefix: Prefix | None, rows: int) -> Any:
    """A cache to be filled for a batch, which holds the shared tokens if there are any."""
    from transformers import DynamicCache

    cache = copied_cache(prefix, rows)
    return DynamicCache(config=lm.model.config) if cache is None else cache


def read_columns(
    lm: LanguageModel, rows: Sequence[Sequence[int]], cache: Any, chunk: int = CHUNK
) -> Iterator[tuple[int, Tensor]]:
    """Read rows padded on the right, so many columns at a time, each going on from the cache of those before.

    Under causal attention no token sees the padding to its right, so no mask is needed.

    Args:
        lm: the model.
        rows: token ids.
        cache: of what stands before them, which is filled; see `opened_cache`.
        chunk: columns that are read at a time, which bounds memory.

    Yields:
        The first of some columns, and their final-normed states, `[rows, columns, d]`.
    """
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for row, own in enumerate(rows):
        ids[row, : len(own)] = torch.tensor(list(own), dtype=torch.long)
    decoder = lm.model.get_decoder()
    for at in range(0, ids.shape[1], chunk):
        part = ids[:, at : at + chunk].to(lm.device)
        yield at, decoder(input_ids=part, past_key_values=cache, use_cache=True).last_hidden_state


def read_at_left(
    lm: LanguageModel, texts: Sequence[Sequence[int]], prefix: Prefix | None = None, chunk: int = CHUNK
) -> Any:
    """Read some texts in one batch, for the cache alone: they stand at its left, and behind shorter ones is padding.

    Args:
        lm: the model.
        texts: token ids; all begin with the prefix.
        prefix: tokens that they share, already computed.
        chunk: columns that are read at a time.
    """
    known = prefix.length if prefix else 0
    cache = opened_cache(lm, prefix, len(texts))
    for _ in read_columns(lm, [text[known:] for text in texts], cache, chunk):
        pass
    return cache


def check_finite(lm: LanguageModel, states: Sequence[Tensor]) -> None:
    """Refuse states `[tokens, d]` of which any is NaN or infinite.

    Raises:
        UserError: naming how many there are.
    """
    broken = [index for index, state in enumerate(states) if not torch.isfinite(state).all()]
    if broken:
        raise UserError(
            f"Model `{lm.files.name}` gives NaN or infinite states for {len(broken)} of {len(states)} passages of a "
            f"batch. It overflows in {lm.files.config.dtype}: try model.{lm.files.name}.dtype=float32."
        )


def _own_tokens(passage: Passage, shared: list[int]) -> list[int]:
    """Tokens to read after the shared ones; all states that are asked for lie among them."""
    read = passage.read
    if read[: len(shared)] != shared or len(read) - len(shared) < passage.n_states:
        raise ValueError(
            f"Expected `passages` to begin with the {len(shared)} tokens of the prefix and to have at least one prompt "
            f"token of their own, but got a prompt of {len(passage.prompt)} tokens that does not."
        )
    return read[len(shared) :]
