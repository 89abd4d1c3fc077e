"""Runs of rows that stay in cache."""

from collections.abc import Iterator

import torch
from torch import Tensor

_CACHE_BYTES = 2**20  # of each thread, for one of the buffers that work on a tile
_DEVICE_BYTES = 64 * 2**20


def cache_tiles(logits: Tensor) -> Iterator[slice]:
    """Cut `[tokens, vocab]` into runs of rows that stay in cache from one operation to the next."""
    tokens, vocab = logits.shape
    size = tile_rows(logits.device, vocab)
    for start in range(0, tokens, size):
        yield slice(start, min(start + size, tokens))


def tile_rows(device: torch.device, vocab: int) -> int:
    """Count the rows of such a run."""
    tile_bytes = _CACHE_BYTES * torch.get_num_threads() if device.type == "cpu" else _DEVICE_BYTES
    return max(1, tile_bytes // (4 * vocab))
