"""Mini-batches for the two stages: whole batches are gathered by index, with no work per row."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

BatchT = TypeVar("BatchT")


class Examples(NamedTuple):
    """Rows that a network is fitted to."""

    inputs: torch.Tensor
    """Scaled inputs `[rows, ...]`, float32."""
    labels: torch.Tensor
    """`[rows]`, int64, 1 = the answer is right."""


def random_partners(anchors: NDArray[np.int64], rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw for every anchor i a partner j ≠ i, uniform over the other rows (CCPS, arXiv 2505.21772, stage 1).

    Args:
        anchors: row indices `[pairs]`, each in 0 … rows − 1.
        rows: number of rows, at least 2.
        rng: source of randomness.

    Returns:
        Partner indices `[pairs]`.

    Raises:
        ValueError: fewer than two rows.
    """
    if rows < 2:
        raise ValueError(f"Expected `rows` to be at least 2, but got {rows}.")
    others = rng.integers(rows - 1, size=len(anchors))
    # The others of i, counted from 0, are 0 … i−1 and then i+1 …: step over i itself.
    stepped: NDArray[np.int64] = others + (others >= anchors)
    return stepped


def draw_pairs(anchors: NDArray[np.int64], rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Join the anchors `[pairs]` with random partners among `rows` rows: indices `[2 · pairs]`, all anchors first."""
    return np.concatenate([anchors, random_partners(anchors, rows, rng)])


def pair_indices(rows: int, batch_size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield `draw_pairs` without end; in an epoch every row is an anchor once, each time with a new partner.

    The last, smaller batch of an epoch is kept.
    """
    rng = np.random.default_rng(seed)
    for anchors in _shuffled(rows, batch_size, rng):
        yield draw_pairs(anchors, rows, rng)


def row_indices(rows: int, batch_size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield batches of rows without end, reshuffled for each epoch, whose last, smaller batch is kept."""
    return _shuffled(rows, batch_size, np.random.default_rng(seed))


def row_batches(examples: Examples, batch_size: int, seed: int) -> Iterator[Examples]:
    """Yield the rows that `row_indices` names."""
    for rows in row_indices(len(examples.labels), batch_size, seed):
        index = torch.from_numpy(rows)
        yield Examples(examples.inputs[index], examples.labels[index])


def in_blocks(batches: Iterator[BatchT], steps: int, size: int) -> Iterator[Iterator[BatchT]]:
    """Cut the first `steps` batches into blocks of `size`, the last one smaller.

    A block takes its batches from the common stream when it is read, so blocks must be used up in turn.
    """
    for start in range(0, steps, size):
        yield islice(batches, min(size, steps - start))


def _shuffled(rows: int, batch_size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    while True:
        order = rng.permutation(rows)
        for start in range(0, rows, batch_size):
            yield order[start : start + batch_size]
