"""Rows of a batch that share the key-value caches of the texts they go on from.

A row attends to two things: the cache of its text up to its own place, which it has in common with other rows and which
is never copied, and a cache of its own, which holds only what it has drawn. With keys K, values V of the text (the
trunk) and k, v of the row's own tokens, the attention of its query q is

    softmax([q·Kᵀ, q·kᵀ]/√d) · [V; v]

and this needs no cache that holds [K; k] in one piece: the two products are made apart, their scores laid side by side
go through one softmax, and its two parts weigh V and v apart.

The gain is in the first product. Decoding is bound by memory: a step reads every key and value once for each row, to
multiply it by a single query. Rows that share a trunk turn their queries into one matrix, which goes through K once for
all of them (`_mixed`); rows that begin at an earlier place see less of it, and have what comes after masked by −∞.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ccps.llm.load import LanguageModel
from ccps.perturbation.softcap import soft_capped

_NAME = "ccps_branches"
_ROOM = 32
# Rows are taken together, so that a trunk is gone through seldom, but not so many that those with early places would
# reach over much that they do not see.
_TOGETHER = 64
# What some models add to their scores; of these only the cap is known here.
_UNKNOWN = ("s_aux", "position_bias")


class Trunk(NamedTuple):
    """A text that has been read.

    Attributes:
        tokens: its token ids.
        cache: key-value cache of all of them but the last; longer does no harm.
        row: where it stands in the cache, which other texts may share.
    """

    tokens: list[int]
    cache: Any
    row: int = 0


class _Group(NamedTuple):
    """Some neighbouring rows with one trunk.

    Attributes:
        trunk: their trunk.
        rows: where they stand in the batch.
        seen: how many of its tokens the furthest of them attends to.
        hidden: `[rows, 1, seen]`, −∞ for those of them that come after a row's own place, else 0; None if none do.
    """

    trunk: Trunk
    rows: slice
    seen: int
    hidden: Tensor | None


class Branches:
    """The key-value cache of a batch of rows that go on from trunks, in the place of one of `transformers`.

    Args:
        trunks: of each row; rows of one trunk stand together.
        seen: how many tokens of its trunk each row attends to.
        limit: how many tokens a row may add.
    """

    def __init__(self, trunks: Sequence[Trunk], seen: Sequence[int], limit: int) -> None:
        self.limit = limit
        self._trunks, self._seen = list(trunks), list(seen)
        self._own: dict[int, tuple[_Grown, _Grown]] = {}
        self._groups = list(_grouped(self._trunks, self._seen))

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Add a token to each row: keys and values `[rows, heads, 1, width]`.

        Returns:
            Those of all tokens that the rows have added so far, and zeros for some that they may add.
        """
        own = self._own.setdefault(layer, (_Grown(self.limit), _Grown(self.limit)))
        return own[0].append(keys), own[1].append(values)

    def get_seq_length(self, layer: int = 0) -> int:
        """How many tokens each row has added."""
        return self._own[layer][0].length if layer in self._own else 0

    def keep(self, rows: Sequence[int]) -> None:
        """Let go of all rows but these, given in ascending order."""
        self._trunks, self._seen = [self._trunks[row] for row in rows], [self._seen[row] for row in rows]
        self._groups = list(_grouped(self._trunks, self._seen))
        for pair in self._own.values():
            for own in pair:
                own.keep(torch.tensor(rows))

    def attend(
        self, layer: int, query: Tensor, keys: Tensor, values: Tensor, scale: float, softcap: float | None
    ) -> Tensor:
        """Attention of one new token per row.

        Args:
            layer: number of the layer.
            query: `[rows, heads, 1, width]`.
            keys: `[rows, key heads, room, width]`, the rows' own; each serves `heads / key heads` query heads.
            values: likewise.
            scale: what scores are multiplied by.
            softcap: c of c·tanh(score/c), or None.

        Returns:
            `[rows, 1, heads, width of the values]`.
        """
        rows, heads, _, width = query.shape
        shared_by = keys.shape[1]
        query = (query * scale).view(rows, shared_by, heads // shared_by, width)
        # All of the room is multiplied: the CPU takes several times as long for a part of it.
        own = soft_capped(query @ keys.mT, softcap)
        own[..., self.get_seq_length(layer) :] = -torch.inf
        found = [
            _mixed(group, layer, query[group.rows], own[group.rows], values[group.rows], softcap)
            for group in self._groups
        ]
        return torch.cat(found).reshape(rows, 1, heads, -1)


def _mixed(group: _Group, layer: int, query: Tensor, own: Tensor, values: Tensor, softcap: float | None) -> Tensor:
    """Attention of a group, `[rows, key heads, query heads each, width]`, given scores of own tokens."""
    rows, shared_by, each, width = query.shape
    weights = own.transpose(0, 1)
    if group.seen:
        cached, row = group.trunk.cache.layers[layer], group.trunk.row
        # All rows as one: the trunk's cache is gone through once.
        wide = query.transpose(0, 1).reshape(shared_by, rows * each, width)
        scores = soft_capped(wide @ cached.keys[row, :, : group.seen].mT, softcap).view(shared_by, rows, each, -1)
        if group.hidden is not None:
            scores += group.hidden.to(scores)
        weights = torch.cat([scores, weights], dim=-1)
    weights = weights.softmax(dim=-1)
    mixed = weights[..., group.seen :].transpose(0, 1) @ values
    if group.seen:
        on_trunk = weights[..., : group.seen].reshape(shared_by, rows * each, -1) @ cached.values[row, :, : group.seen]
        mixed = mixed + on_trunk.view(shared_by, rows, each, -1).transpose(0, 1)
    return mixed


def _grouped(trunks: Sequence[Trunk], seen: Sequence[int]) -> Iterator[_Group]:
    for _, run in groupby(range(len(trunks)), key=lambda row: (id(trunks[row]), row // _TOGETHER)):
        rows = list(run)
        own = torch.tensor([seen[row] for row in rows])
        most = int(own.max())
        hidden = torch.arange(most) >= own[:, None]
        mask = torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)[:, None] if hidden.any() else None
        yield _Group(trunks[rows[0]], slice(rows[0], rows[-1] + 1), most, mask)


class _Grown:
    """Keys or values of what rows have added, with room for more: a new token costs no copy of those before it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.length = 0
        self._room = torch.empty(0)

    def append(self, token: Tensor) -> Tensor:
        """Add `[rows, heads, 1, width]`; returns `[rows, heads, room, width]`."""
        if not self.length or self.length == self._room.shape[2]:
            rows, heads, _, width = token.shape
            room = token.new_zeros(rows, heads, min(self.length + _ROOM, self.limit), width)
            if self.length:
                room[:, :, : self.length] = self._room
            self._room = room
        self._room[:, :, self.length] = token[:, :, 0]
        self.length += 1
        return self._room

    def keep(self, rows: Tensor) -> None:
        """Let go of all rows but these."""
        self._room = self._room.index_select(0, rows.to(self._room.device))


@contextmanager
def branching(lm: LanguageModel) -> Iterator[None]:
    """Inside the block the model's attention is that of `Branches`, which its decoder must be given as `branches` too.

    Raises:
        ValueError: the model's attention cannot be exchanged.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(_NAME, _attention)
    before = lm.model.config._attn_implementation
    lm.model.set_attn_implementation(_NAME)
    try:
        if lm.model.get_decoder().config._attn_implementation != _NAME:
            raise ValueError(
                f"Expected the attention of model `{lm.files.name}` to be one that can be exchanged, but got one of "
                "its own. Read every prompt for itself."
            )
        yield
    finally:
        lm.model.set_attn_implementation(before)


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    branches: Branches,
    scaling: float | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What `transformers` calls in every layer."""
    unknown = [name for name in _UNKNOWN if others.get(name) is not None]
    if unknown:
        raise ValueError(f"Expected attention without {', '.join(unknown)}, but got it. Read every prompt for itself.")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return branches.attend(module.layer_idx, query, key, value, scale, softcap), None
