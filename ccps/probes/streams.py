"""What chance gives to many probes at once: their batches, as indices, and their dropout masks."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ccps.probes.preparation import Seeds, derive_seeds
from ccps.probes.stacking import DropoutSite, Tensors


class Stream(NamedTuple):
    """The source of one sequence of batches and masks; probes with equal seed and number of rows share it."""

    seeds: Seeds
    rows: int
    """Rows that the batches are drawn from."""
    dropout: torch.Generator
    """Source of the masks, on the CPU."""


def open_stream(seed: int, rows: int) -> Stream:
    """Start the stream of a fit with this seed and this number of training rows."""
    seeds = derive_seeds(seed)
    return Stream(seeds, rows, torch.Generator().manual_seed(seeds.dropout))


class StackedBatch(NamedTuple):
    """One mini-batch of every stream, those that are smaller filled up with row 0."""

    rows: torch.Tensor
    """`[streams, members · size]`, row numbers: the first member of every pair, then the second."""
    share: torch.Tensor
    """`[streams, size]`, weight of each term of the loss: 1 / size of the stream's batch, 0 where filled up."""
    masks: Tensors
    """Name → `[streams, members · size, …]`."""


def stacked_batches(
    streams: Sequence[Stream],
    indices: Callable[[Stream], Iterator[NDArray[np.int64]]],
    members: int,
    sites: Sequence[DropoutSite],
    probability: float,
) -> Iterator[StackedBatch]:
    """Yield batches without end, each with the rows and masks that a fit of one probe would draw.

    A mask is drawn as `torch.nn.Dropout` draws it on the CPU: in the order of the layers, for the rows of the batch
    and no others, from a generator that serves nothing else.

    Args:
        streams: where the batches come from.
        indices: the batches of a stream, `[members · size]` each.
        members: rows that belong together: 2 for pairs, else 1.
        sites: layers that take a mask.
        probability: of an activation to be dropped; at 0 no mask is drawn.
    """
    sources = [indices(stream) for stream in streams]
    while True:
        drawn = [torch.from_numpy(next(source)) for source in sources]
        size = max(len(index) for index in drawn) // members
        share = [torch.full((len(index) // members,), members / len(index)) for index in drawn]
        masks: Tensors = {}
        for site in sites if probability else ():
            drops = [_draw_mask(site, len(i), probability, s.dropout) for i, s in zip(drawn, streams, strict=True)]
            masks[site.name] = _fill_up(drops, members, size)
        yield StackedBatch(_fill_up(drawn, members, size), _fill_up(share, 1, size), masks)


def _draw_mask(site: DropoutSite, rows: int, probability: float, generator: torch.Generator) -> torch.Tensor:
    # The layout in memory decides which number falls on which place, so it is that of the layer's input, as in torch.
    mask = torch.empty_permuted((rows, *site.shape), site.order)
    return mask.bernoulli_(1 - probability, generator=generator).div_(1 - probability)


def _fill_up(draws: Sequence[torch.Tensor], members: int, size: int) -> torch.Tensor:
    """Stack draws `[members · n, …]`, n up to `size`, as `[draws, members · size, …]`; the rest is zero."""
    padded = draws[0].new_zeros(len(draws), members, size, *draws[0].shape[1:])
    for place, draw in zip(padded, draws, strict=True):
        count = len(draw) // members
        place[:, :count] = draw.unflatten(0, (members, count))
    return padded.flatten(1, 2)
