"""One token after another: the loop in which a language model writes.

Every way of writing is this loop. They differ in how the next token is chosen (the most probable one, or one drawn at
random) and in where the model keeps what it has read: in a cache for each row (`CachedRows`), or in caches that rows
share (`ccps.llm.branches`). The loop of `transformers` would do for the first of these only, it keeps states and logits
to itself, and it goes on for all rows until the last one has ended.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from ccps.llm.load import LanguageModel

PAD = 0
"""Padding is masked and cut off, so its id does not matter; it need not even be a padding token of the tokenizer."""

DONE = 1 / 8
"""A batch is made smaller, or others come in, when so large a share of its rows has nothing more to write: not at once,
since that copies the caches of those that stay."""


@dataclass
class DecodedRow:
    """What is written after one prompt, in the making.

    Attributes:
        tokens: token ids so far, without the one that ends the turn.
        ended: whether the model has ended its turn.
        done: whether nothing more is wanted.
    """

    tokens: list[int] = field(default_factory=list)
    ended: bool = False
    done: bool = False


RowT = TypeVar("RowT", bound=DecodedRow)

Read = Callable[[Sequence[int]], Tensor]
"""Has every row read one more token; gives the final-normed states `[rows, d]` that predict the next one."""

Choose = Callable[[Tensor, Sequence[RowT]], Sequence[int]]
"""From the states `[rows, d]` of some rows, and the rows, to the next token of each."""

Complete = Callable[[list[int]], bool]
"""Says of the tokens written so far whether they are all that is wanted; asked after each token."""


def decode(
    rows: Sequence[RowT],
    states: Tensor,
    read: Read,
    choose: Choose[RowT],
    limit: int,
    end_tokens: Sequence[int],
    *,
    complete: Complete | None = None,
    keep: Callable[[Sequence[int]], None] | None = None,
) -> None:
    """Write on in every row until nothing more is wanted, see `steps`."""
    for _ in steps(rows, states, read, choose, limit, end_tokens, complete=complete, keep=keep):
        pass


def steps(
    rows: Sequence[RowT],
    states: Tensor,
    read: Read,
    choose: Choose[RowT],
    limit: int,
    end_tokens: Sequence[int],
    *,
    complete: Complete | None = None,
    keep: Callable[[Sequence[int]], None] | None = None,
) -> Iterator[None]:
    """Write on in every row until it ends, is complete, or has so many tokens; the last one is chosen but not read.

    Rows that are done stay in the batch and read padding, unless `keep` can take them out: the same number of rows is
    multiplied in every step, so that the last bits of a state do not depend on when other rows end.

    Args:
        rows: what is filled.
        states: `[rows, d]`, which predict the first token of each.
        read: see `Read`.
        choose: see `Choose`; what it says for a row that is done is not used.
        limit: after so many tokens a row is cut off, at least 1.
        end_tokens: ids of the tokens that end a turn.
        complete: ends a row before the limit.
        keep: told to let go of all rows but some, given in ascending order by their places in the batch.

    Yields:
        Whenever every row that goes on has one token more, before it is read.
    """
    going = list(rows)
    for left in reversed(range(limit)):
        for row, token in zip(going, choose(states, going), strict=True):
            take(row, token, end_tokens, complete=complete)
        yield
        unfinished = [place for place, row in enumerate(going) if not row.done]
        if not unfinished or not left:
            return
        if keep is not None and len(going) - len(unfinished) >= DONE * len(going):
            keep(unfinished)
            going = [going[place] for place in unfinished]
        states = read([PAD if row.done else row.tokens[-1] for row in going])


def take(
    row: DecodedRow,
    token: int,
    end_tokens: Sequence[int],
    *,
    complete: Complete | None = None,
    limit: int | None = None,
) -> None:
    """Write down what was chosen for a row, unless it is done; it is, when its turn ends, it is complete, or full."""
    if row.done:
        return
    if token in end_tokens:
        row.ended = row.done = True
    else:
        row.tokens.append(token)
        row.done = len(row.tokens) == limit or (complete is not None and complete(row.tokens))


class CachedRows:
    """Prompts with a key-value cache of `transformers`, each row with its own.

    Args:
        lm: the model.
        ids: `[rows, width]` token ids, padding inside a row as `padded` has it.
        mask: `[rows, width]`, 1 where there is a token, 0 where there is padding.
        cache: what has been read of them, the same number of columns in all rows; possibly none.
    """

    def __init__(self, lm: LanguageModel, ids: Tensor, mask: Tensor, cache: Any) -> None:
        self.lm = lm
        self.cache = cache
        self._ids = ids
        self._mask = mask.to(lm.device)
        # Without padding the model needs no mask, and attention is faster without one.
        self._is_padded = not bool(mask.all())

    def begin(self) -> Tensor:
        """Read the columns that the cache does not hold: the states `[rows, d]` that predict the first token."""
        return self._read(self._ids[:, self.cache.get_seq_length() :])

    def read(self, tokens: Sequence[int]) -> Tensor:
        """See `Read`."""
        column = torch.tensor(tokens)[:, None]
        self._mask = torch.cat([self._mask, torch.ones_like(column, device=self._mask.device)], dim=1)
        return self._read(column)

    def keep(self, rows: Sequence[int]) -> None:
        """Let go of all rows but these, given in ascending order."""
        kept = torch.tensor(rows, device=self._mask.device)
        self.cache.batch_select_indices(kept)
        self._mask = self._mask[kept]

    def _read(self, ids: Tensor) -> Tensor:
        # Padding may stand anywhere: a token's position is how many real ones precede it.
        positions = (self._mask.cumsum(dim=1) - 1).clamp_(min=0)[:, -ids.shape[1] :]
        output = self.lm.model.get_decoder()(
            input_ids=ids.to(self.lm.device),
            attention_mask=self._mask if self._is_padded else None,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        # A copy: the slice would keep the states of the whole prompt.
        last: Tensor = output.last_hidden_state[:, -1].clone(memory_format=torch.contiguous_format)
        return last


def padded(prompts: Sequence[Sequence[int]], at_left: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Token ids and mask `[prompts, width]`, with padding inside each row.

    What is written goes on at the right end, so all prompts must end there; what is cached must stand where its cache
    has it, at the left.

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
