"""Key-value caches of rows that differ in length, with room for more tokens and for other rows.

Rows stand at the right: the last token of each is in the last column, and what one has fewer than the longest is
padding at its left. So all of them write into one column, and the tokens of a row stand together. A new token is
written into room that is there already, where a cache of `transformers` is copied whole for each.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from ccps.llm.forward import Prefix, read_at_left
from ccps.llm.load import LanguageModel


def has_room(lm: LanguageModel) -> bool:
    """Whether all layers of a model keep keys and values of all tokens, which rows with room take for granted."""
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=lm.model.config).layers)


class RowsWithRoom:
    """Rows of a batch, each of which has read some tokens.

    Args:
        lm: the model; one that `has_room`.
        prefix: tokens that all texts begin with and go on after, already computed.
    """

    def __init__(self, lm: LanguageModel, prefix: Prefix | None = None) -> None:
        self.lm = lm
        self.prefix = prefix
        self.cache = DynamicCache(config=lm.model.config)
        self._layers = [_Layer() for _ in self.cache.layers]
        self.cache.layers = list(self._layers)
        self._lengths = torch.zeros(0, dtype=torch.long)
        self._width = self._columns = 0

    @property
    def is_full(self) -> bool:
        """Whether no token fits in before rows are seated anew."""
        return self._width == self._columns

    def seat(self, places: Sequence[int], texts: Sequence[Sequence[int]], room: int) -> None:
        """Let go of all rows but some, and seat further ones behind them.

        Args:
            places: of the rows that stay, ascending.
            texts: token ids of what each of the others has read; each begins with the prefix.
            room: how many tokens every row may then read, at least 1.
        """
        rows: dict[tuple[int, ...], int] = {}  # samples of one prompt read it once
        source = [rows.setdefault(tuple(text), len(rows)) for text in texts]
        found = read_at_left(self.lm, list(rows), self.prefix) if rows else None
        stay = self._lengths[list(places)]
        come = torch.tensor([len(text) for text in texts], dtype=torch.long)
        self._lengths = torch.cat([stay, come])
        self._width = int(self._lengths.max())
        self._columns = self._width + room
        for layer, new in zip(self._layers, found.layers if found else self._layers, strict=True):
            layer.seat(places, stay, new if found else None, source, come, self._columns)
            if found:
                new.keys = new.values = None  # so that there are never two of all layers

    def read(self, tokens: Sequence[int]) -> Tensor:
        """Final states `[rows, d]` after one more token in every row."""
        device, positions = self.lm.device, self._lengths[:, None]
        self._lengths = self._lengths + 1
        self._width += 1
        starts = self._width - self._lengths
        is_padded = bool(starts.any())
        mask = (torch.arange(self._width) >= starts[:, None]).long().to(device) if is_padded else None
        output = self.lm.model.get_decoder()(
            input_ids=torch.tensor(tokens, device=device)[:, None],
            attention_mask=mask,
            position_ids=positions.to(device),
            past_key_values=self.cache,
            use_cache=True,
        )
        states: Tensor = output.last_hidden_state[:, -1]
        return states


class _Layer(DynamicLayer):
    """Keys and values of one layer: a part of the `[rows, heads, columns, width]` for which there is room."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._room: tuple[Tensor, Tensor] | None = None
        self._columns = self._used = 0

    def seat(
        self,
        places: Sequence[int],
        stay: Tensor,
        new: DynamicLayer | None,
        source: Sequence[int],
        come: Tensor,
        columns: int,
    ) -> None:
        """See `RowsWithRoom.seat`; `new` holds the others at the left, in the rows that `source` names."""
        before, used = self._room, self._used
        self._used = max([*stay.tolist(), *come.tolist()])
        self._columns = columns
        self._room = None
        found = []
        for part in (0, 1):
            old = before[part] if before is not None and len(places) else None
            read = (new.keys, new.values)[part] if new is not None and new.get_seq_length() else None
            like = old if old is not None else read
            if like is None:  # nobody has read anything yet: what shape there must be room for will be known then
                self.is_initialized = False
                return
            room = like.new_zeros(len(stay) + len(come), like.shape[1], columns, like.shape[3])
            if old is not None:
                longest = int(stay.max())
                for row, place in enumerate(places):
                    room[row, :, self._used - longest : self._used] = old[place, :, used - longest : used]
            if read is not None:
                for row, (place, length) in enumerate(zip(source, come.tolist(), strict=True), start=len(stay)):
                    room[row, :, self._used - length : self._used] = read[place, :, :length]
            found.append(room)
        self._show((found[0], found[1]))

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write keys and values of one more token; all of them, the new ones included."""
        if self._room is None:
            rows, heads, _, width = key_states.shape
            shape = rows, heads, self._columns
            self._room = key_states.new_zeros(*shape, width), value_states.new_zeros(*shape, value_states.shape[3])
        keys, values = self._room
        keys[:, :, self._used] = key_states[:, :, 0]
        values[:, :, self._used] = value_states[:, :, 0]
        self._used += 1
        return self._show((keys, values))

    def _show(self, room: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Take this for the room, and show the columns that are used."""
        self._room = room
        self.dtype, self.device, self.is_initialized = room[0].dtype, room[0].device, True
        used = room[0][:, :, : self._used], room[1][:, :, : self._used]
        self.keys, self.values = used
        return used
